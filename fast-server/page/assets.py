"""The page's files as a browser gets them: read and compressed once, at the start."""

import gzip
from hashlib import sha256
from pathlib import Path

from page.linking import linked

_FOLDER = Path(__file__).parent
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Body:
    """Bytes and their ETag: what differs in a byte needs one of its own (RFC 9110, 8.8.1)."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag = f'"{sha256(content).hexdigest()[:32]}"'


class Asset:
    """A file, plain and compressed."""

    def __init__(self, name: str, text: str) -> None:
        self.kind = _KINDS[Path(name).suffix]
        self.plain = Body(text.encode())
        self.compressed = Body(gzip.compress(self.plain.content, mtime=0))


class Page:
    """The first document, and the files that it loads, by their names."""

    def __init__(self, prefix: str, folder: Path = _FOLDER) -> None:
        """prefix: what PUBLIC_URL has in front of all paths."""
        home = (folder / "index.html").read_text("utf-8")
        texts = {name: (folder / name).read_text("utf-8") for name in ("style.css", "icon.svg")}
        texts["main.js"] = linked(folder, "main.js")
        # Another one where any file differs, so that no browser mixes two versions of the page.
        self.version = sha256("\0".join([home, *texts.values()]).encode()).hexdigest()[:16]
        self.assets = {name: Asset(name, text) for name, text in texts.items()}
        home = home.replace("{base}", prefix).replace("{version}", self.version)
        self.home = Asset("index.html", home)
