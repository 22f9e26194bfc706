"""The names in an archive: the folders of an image's ref, and the file name of its original."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from os.path import splitext

from index.rows import folded
from shared.contract import MAX_NAME_BYTES, safe_filename, safe_line

_DRIVE = re.compile(r"^[A-Za-z]:(?=[/\\])")


def path(ref: str | None, filename: str, ending: str) -> str:
    """A relative path that leads nowhere else. ending is that of the stored file."""
    *folders, _ = re.split(r"[/\\]", _DRIVE.sub("", ref or ""))
    kept = [safe_filename(name, MAX_NAME_BYTES) for name in folders if safe_line(name).strip(". ")]
    return "/".join([*kept, _with(ending, splitext(filename)[0])])


def told_apart(paths: list[str]) -> Iterator[str]:
    """The same paths, each of them once, in the same order: photo.jpg, photo (2).jpg.

    Two that differ in case, Unicode form or dots at the end only are one file for some systems. So
    are a file and a folder.
    """
    taken = {_key(folder) for path in paths for folder in _folders(path)}
    last = Counter[str]()  # the number that was given last
    for path in paths:
        new, key = path, _key(path)
        while _key(new) in taken:
            last[key] += 1
            new = _numbered(path, last[key] + 1)
        taken.add(_key(new))
        yield new


def _key(path: str) -> str:
    return "/".join(name.rstrip(". ") for name in folded(path).split("/"))


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[:n]) for n in range(1, len(parts) + 1))


def _numbered(path: str, number: int) -> str:
    folder, slash, name = path.rpartition("/")
    stem, ending = splitext(name)
    return f"{folder}{slash}{_with(f' ({number}){ending}', stem)}"


def _with(ending: str, stem: str) -> str:
    """The stem is cut where the name would be longer than file systems take."""
    most = MAX_NAME_BYTES - len(ending.encode())
    return safe_line(stem.encode()[:most].decode(errors="ignore") + ending)
