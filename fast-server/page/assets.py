"""The page's files as a browser gets them: read and compressed once, at the start."""

import gzip
from hashlib import sha256
from html import escape
from pathlib import Path

_FOLDER = Path(__file__).parent
_HOME = "index.html"
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset:
    """A file, plain and compressed."""

    def __init__(self, content: bytes, kind: str) -> None:
        self.kind = kind
        self.plain = Body(content)
        self.compressed = Body(gzip.compress(content, mtime=0))


class Body:
    """Bytes and their ETag: what differs in a byte needs one of its own (RFC 9110, 8.8.1)."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag = f'"{sha256(content).hexdigest()[:32]}"'


class Page:
    """The first document, and the files that it loads, by name: "vendor/lit-html.js"."""

    def __init__(self, prefix: str, folder: Path = _FOLDER) -> None:
        """prefix: the part of PUBLIC_URL's path that is in front of all paths."""
        paths = [path for path in _paths(folder) if path.suffix in _KINDS]
        contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.version = _version(contents)
        home = contents.pop(_HOME).decode()
        base = f"{prefix}/page/{self.version}"
        self.assets = {name: _asset(name, content) for name, content in contents.items()}
        modules = "\n".join(
            f'<link rel="modulepreload" href="{base}/{escape(name)}">'
            for name in self.assets
            if name.endswith(".js")
        )
        for mark, value in {"base": prefix, "version": self.version, "modules": modules}.items():
            home = home.replace(f"{{{mark}}}", value)
        self.home = _asset(_HOME, home.encode())


def _paths(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*"), *folder.glob("vendor/*")])


def _version(contents: dict[str, bytes]) -> str:
    """It differs where any file does, so that no browser mixes two versions of the page."""
    digest = sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, _KINDS[Path(name).suffix])
