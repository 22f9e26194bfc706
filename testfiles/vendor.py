"""make vendor: what the page has of others, fetched again by npm.

Its README has the version and the digests, and is not changed: to take a newer version, write them
there first.
"""

import re
import subprocess
import sys
import tarfile
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256, sha512
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parents[1] / "fast-server" / "page" / "vendor"
_ROW = re.compile(
    r"^\| `(?P<file>\S+)` \| \[(?P<name>\S+) (?P<version>\S+)\].* (?P<digest>\w{64}) \|$", re.M
)
_INTEGRITY = re.compile(r"`sha512-(\S+)`")


@dataclass
class Vendored:
    """A file of an npm package, as the README says."""

    file: str
    package: str
    digest: str
    integrity: str


def told() -> Vendored:
    readme = (FOLDER / "README.md").read_text()
    row, integrity = _ROW.search(readme), _INTEGRITY.search(readme)
    assert row
    assert integrity
    return Vendored(row["file"], f"{row['name']}@{row['version']}", row["digest"], integrity[1])


def main() -> None:
    wanted = told()
    with TemporaryDirectory() as folder:
        try:
            command = ["npm", "pack", "--silent", wanted.package]
            packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            sys.exit("make vendor needs npm, which is not here. On Debian: apt install npm")
        except subprocess.CalledProcessError as error:
            sys.exit(f"npm cannot fetch {wanted.package}: {error.stderr or error.stdout}")
        package = Path(folder, packed.stdout.strip())
        require(
            "the package",
            b64encode(sha512(package.read_bytes()).digest()).decode(),
            wanted.integrity,
        )
        with tarfile.open(package) as archive:
            files = {name: content(archive, name) for name in (wanted.file, "LICENSE")}
    require(wanted.file, sha256(files[wanted.file]).hexdigest(), wanted.digest)
    for name, new in files.items():
        (FOLDER / name).write_bytes(new)
    print(f"{wanted.package}: the same")


def content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"package/{name}")
    assert file
    return file.read()


def require(what: str, digest: str, wanted: str) -> None:
    if digest != wanted:
        sys.exit(
            f"{what} is another than the README says: {digest}, not {wanted}. Nothing is kept."
        )


if __name__ == "__main__":
    main()
