"""The logo: fetched once, kept, refreshed hourly, normalised to RGBA.

An image never goes out unmarked, or with another logo than the one that was asked for. The bundled
logo is used only where none was asked for and Google's cannot be fetched.
A logo that cannot work as it is fails images at once. For one that cannot be had now there are
retries.
"""

import asyncio
import hashlib
import os
import socket
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from drawing.logo_file import normalise_logo
from errors import ImageRejected, LogoUnusable, StageError, Unavailable
from runtime import container_limits
from runtime.decoder_processes import DecoderProcesses
from shared import console, durable, tls
from shared.contract import LOGO_UNAVAILABLE, MIB

DEFAULT_URL = "https://www.google.com/images/branding/googlelogo/2x/googlelogo_color_272x92dp.png"
BUNDLED = Path(__file__).parent.parent / "bundled_logo.png"
REFRESH_S = 3600.0
_FETCH_S = 5
_FAILURE_KEPT_S = 5  # jobs that wait for a logo do not each try on their own
_MAX_BYTES = 10 * MIB
_PASSING = (408, 425, 429)  # and every 5xx; any other refusal is final
_MOUNTED = "LOGO_FILE in .env mounts a file of the host there, which that uid must be able to read"


class Logo:
    """The logo at source (http, https, file:// or a path; None for the default) as a file."""

    def __init__(self, source: str | None, folder: Path, decoders: DecoderProcesses) -> None:
        self._source = source
        self._folder = folder
        self._decoders = decoders
        self._lock = asyncio.Lock()
        self._path: Path | None = None
        self._downloaded = b""
        self._etag = ""
        self._failure: Unavailable | None = None
        self._failed_at = 0.0
        try:  # now: proxies and certificates are taken from the environment as it is at the start
            self._http: httpx.AsyncClient | Exception = httpx.AsyncClient(
                verify=tls.client_context(),
                follow_redirects=True,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        except Exception as error:  # a proxy of a kind that there is no module for, say
            self._http = error

    async def path(self) -> Path:
        """The normalised logo. Raises Unavailable where the one that was asked for cannot be had
        now, and LogoUnusable where it cannot work."""
        async with self._lock:
            if self._path is None or not self._path.exists():  # /tmp may have been cleaned
                self._path = await self._first()
            return self._path

    async def unhealthy_reason(self) -> str | None:
        """Why the logo that was asked for cannot work; None where it works or may work soon.

        The logo is looked for again if the last time was a while ago.
        """
        try:
            await self.path()
        except Unavailable as error:
            return error.detail if isinstance(error, LogoUnusable) else None
        return None

    async def works(self) -> bool:
        """Whether there is a logo; it is looked for again as above."""
        try:
            await self.path()
        except Unavailable:
            return False
        return True

    async def refresh(self) -> None:
        """Fetch the logo, or a newer one; the old one stays if that fails."""
        try:
            if self._path is None:
                await self.path()
            else:
                self._path = await self._load()
        except Unavailable as error:  # stage 1 tries again
            console.event(console.NOTICE, logo=self._source, detail=error.detail)

    async def close(self) -> None:
        if isinstance(self._http, httpx.AsyncClient):
            await self._http.aclose()

    async def _first(self) -> Path:
        failed_lately = time.monotonic() - self._failed_at < _FAILURE_KEPT_S
        if self._source is not None and self._failure is not None and failed_lately:
            raise self._failure
        try:
            return await self._load()
        except Unavailable as error:
            self._failure, self._failed_at = error, time.monotonic()
            if self._source is not None:
                raise
            detail = f"{error.detail} The bundled mark is used; set GOOGLE_LOGO to choose a logo."
            console.event(console.NOTICE, logo=DEFAULT_URL, detail=detail)
            return await self._bundled()

    async def _bundled(self) -> Path:
        try:
            return await self._normalised(BUNDLED.read_bytes())
        except StageError as error:  # a decoder process that was killed, say
            raise Unavailable(LOGO_UNAVAILABLE, f"The bundled logo: {error.detail}") from error

    async def _load(self) -> Path:
        """The source's logo as it is now, normalised. Raises Unavailable."""
        try:
            return await self._normalised(await self._content())
        except Exception as error:  # whatever it is: images wait for a logo, or get the bundled one
            reason = str(error) or type(error).__name__
            detail = f"The logo {self._source or DEFAULT_URL} cannot be had: {reason.rstrip('.')}."
            kind = LogoUnusable if self._cannot_work(error) else Unavailable
            raise kind(LOGO_UNAVAILABLE, detail) from error

    async def _content(self) -> bytes:
        source = self._source or DEFAULT_URL
        parts = urlsplit(source)
        if parts.scheme in ("http", "https"):
            async with asyncio.timeout(_FETCH_S):
                return await self._download(source)
        local = Path(unquote(parts.path) if parts.scheme == "file" else source)
        return await asyncio.to_thread(_read, local)

    def _cannot_work(self, error: Exception) -> bool:
        """Whether the logo stays unusable until somebody changes something."""
        if isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
            return status < 500 and status not in _PASSING
        bad_address = (httpx.InvalidURL, httpx.UnsupportedProtocol)
        bad_content = (ValueError, ImageRejected)
        return error is self._http or isinstance(error, (*bad_address, *bad_content))

    async def _download(self, url: str) -> bytes:
        if isinstance(self._http, Exception):
            raise self._http
        headers = {"If-None-Match": self._etag} if self._etag else {}
        async with self._http.stream("GET", url, headers=headers) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return self._downloaded
            response.raise_for_status()
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
            self._downloaded, self._etag = content, response.headers.get("ETag", "")
            return content

    async def _normalised(self, content: bytes) -> Path:
        """A file named after its content, so that a decoder's cache never shows an old logo."""
        name = hashlib.sha256(content).hexdigest()[:16]
        raw, drawn, target = (self._folder / f"{name}.{step}" for step in ("raw", "new", "png"))
        self._folder.mkdir(exist_ok=True)
        if not target.exists():
            raw.write_bytes(content)
            await self._decoders.run(normalise_logo, raw, drawn)
            drawn.replace(target)
        return target


def _read(path: Path) -> bytes:
    """Raises ValueError where there is no file that can be read.

    The operator may name a link, but no pipe: reading it might never end.
    """
    try:
        with durable.reading(path.resolve()) as file:
            content = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ValueError(f"{error.strerror} {_where()}") from error
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
    return content


def _where() -> str:
    """On which machine, and as which user, this process looks for a file."""
    host, uid = socket.gethostname(), os.getuid()
    if container_limits.is_container():
        return f"inside the container {host}, for uid {uid}. {_MOUNTED}"
    return f"on {host}, for uid {uid}"
