"""Who may speak to the service, by which name, and how it names itself: before any route.

Nothing here asks who somebody is. But a browser sends what any page tells it to, so the page must
be the service's own, or one that the operator names. A name that somebody else's DNS answers for
is not the service's either: such a page would be "its own" (DNS rebinding).
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AnyHttpUrl, BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web import problems
from shared.web.problems import Problem, ProblemType

WRONG_HOST = ProblemType(
    "wrong_host",
    421,
    "The service does not go by this name",
    "photos.example is no name of this service. Reach it by its IP address or by localhost, or "
    "have whoever runs it set PUBLIC_URL or ALLOWED_HOSTS.",
)
CROSS_SITE = ProblemType(
    "cross_site",
    403,
    "Another site's page sent this",
    "A page of https://evil.example may not do this. Have whoever runs the service name it in "
    "ALLOWED_ORIGINS.",
)
READ_REFUSALS = (WRONG_HOST, problems.OUT_OF_MEMORY)  # of GET
WRITE_REFUSALS = (*READ_REFUSALS, CROSS_SITE)
_HARMLESS = ("GET", "HEAD", "OPTIONS")  # a page cannot read what they answer
_OWN_PAGE = (b"same-origin", b"none")  # of Sec-Fetch-Site; none: typed, or a bookmark
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]+)?")
_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")
_ABSOLUTE = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE)
_DOCKER_HOST = "host.docker.internal"
_OWN_PATHS = ("media", "upload-final", "activity", "health", "ready", "docs", "redoc")


def _listed(pattern: re.Pattern[str], example: str) -> BeforeValidator:
    def parse(text: str | tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(text, tuple):  # the default
            return text
        entries = tuple(e.strip().lower() for e in text.split(",") if e.strip())
        if wrong := [entry for entry in entries if not pattern.fullmatch(entry)]:
            raise ValueError(f"{wrong[0]} is none; write it like {example}, commas between them")
        return entries

    return BeforeValidator(parse)


class DoorSettings(BaseSettings):
    """What both services read of the environment; the README's table explains each."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    public_url: AnyHttpUrl | None = None
    allowed_hosts: Annotated[
        tuple[str, ...], NoDecode, _listed(_HOST, "photos.example or *.photos.example")
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], NoDecode, _listed(_ORIGIN, "https://shop.example")
    ] = ()
    max_connections: Annotated[int, Field(ge=1)] = 1000

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and (url.username or url.password or url.query or url.fragment):
            raise ValueError("a scheme, a host and a path are all that it has")
        if url is not None and not _PREFIX.fullmatch(url.path or ""):
            raise ValueError("its path may have letters, digits, and . _ ~ - between slashes")
        if url is not None and (url.path or "/").split("/")[1] in _OWN_PATHS:
            raise ValueError("its path must begin with something that no path here begins with")
        return url


class Door:
    """Middleware. The app's state has the settings once it has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._guard: _Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = scope["app"].state.settings
        if self._guard is None or self._guard.settings is not settings:
            self._guard = _Guard(self._app, settings)
        guard, scope = self._guard, _in_origin_form(scope)
        try:
            guard.check(scope)
        except Problem as problem:
            await problems.answer_to(Request(scope), problem)(scope, receive, send)
        else:
            await guard.app(guard.as_public(scope), receive, send)


class _Guard:
    """The door as the settings have it."""

    def __init__(self, app: ASGIApp, settings: DoorSettings) -> None:
        self.settings = settings
        url = settings.public_url
        self._origins = set(settings.allowed_origins)
        self._names = {*settings.allowed_hosts, _DOCKER_HOST, socket.gethostname().lower()}
        self._public: tuple[str, bytes] | None = None
        self._prefix = ""
        if url is not None:
            netloc = _netloc(url)
            self._public = url.scheme, netloc.encode()
            self._prefix = (url.path or "").rstrip("/")
            self._origins.add(f"{url.scheme}://{netloc}")
            self._names.add(bare(netloc))
        self.app = app
        if settings.allowed_origins:
            self.app = CORSMiddleware(
                app,
                allow_origins=settings.allowed_origins,
                allow_methods=("GET", "HEAD", "POST", "DELETE"),
                allow_headers=("Idempotency-Key",),
                expose_headers=("Location", "Retry-After", "Idempotent-Replayed"),
            )

    def check(self, scope: Scope) -> None:
        """Raises Problem."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:  # of two that differ, none is believed
            headers[name] = headers[name] + b", " + value if name in headers else value
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_own(bare(host)):
            raise Problem(
                WRONG_HOST,
                f"{host[:100]} is no name of this service. Reach it by its IP address or by "
                "localhost, or have whoever runs it set PUBLIC_URL or ALLOWED_HOSTS.",
            )
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        is_preflight = origin and b"access-control-request-method" in headers
        if origin in self._origins or (scope["method"] in _HARMLESS and not is_preflight):
            return
        site = headers.get(b"sec-fetch-site")
        if site is None and origin in ("", f"http://{host}", f"https://{host}"):
            return
        if site is None or site not in _OWN_PAGE:
            raise Problem(
                CROSS_SITE,
                f"A page of {origin[:100] or 'another site'} may not do this. Have whoever runs "
                "the service name it in ALLOWED_ORIGINS.",
            )

    def _is_own(self, name: str) -> bool:
        """A name that nobody else's DNS can answer for, or one that the operator has named."""
        if "." not in name or name.endswith(".localhost") or name in self._names:
            return True  # none at all, too: HTTP/1.0
        if any(name.endswith(n[1:]) for n in self._names if n.startswith("*.")):
            return True
        try:
            return bool(ip_address(name))
        except ValueError:
            return False

    def as_public(self, scope: Scope) -> Scope:
        """The request as if it had come to PUBLIC_URL, whether or not a proxy cut its prefix."""
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        if self._public is None:
            if (b"host", b"") not in headers:
                return scope
            return {**scope, "headers": [h for h in headers if h[0] != b"host"]}
        scheme, netloc = self._public
        changed: dict[str, Any] = {
            "scheme": scheme,
            "headers": [(b"host", netloc), *(h for h in headers if h[0] != b"host")],
        }
        if self._prefix:
            changed["root_path"] = self._prefix
            if scope["path"] == self._prefix:
                changed["path"] = f"{self._prefix}/"
            elif not scope["path"].startswith(f"{self._prefix}/"):
                changed["path"] = self._prefix + scope["path"]
                changed["raw_path"] = self._prefix.encode() + scope.get("raw_path", b"")
        return {**scope, **changed}


def _in_origin_form(scope: Scope) -> Scope:
    """A request whose target is a whole URL, which also names the host (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(scope["path"])
    if absolute is None:
        return scope
    host, path = absolute[1].encode(), absolute[2] or "/"
    headers = [(b"host", host), *(h for h in scope["headers"] if h[0] != b"host")]
    return {**scope, "headers": headers, "path": path, "raw_path": path.encode()}


def bare(host: str) -> str:
    """A Host header's name: without its port, brackets and the root's dot."""
    name, colon, port = host.rpartition(":")
    if (
        colon
        and (port.isdecimal() or not port)
        and (not name or name[-1] == "]" or ":" not in name)
    ):
        host = name
    return host.removeprefix("[").removesuffix("]").removesuffix(".")


def _netloc(url: AnyHttpUrl) -> str:
    usual = {"http": 80, "https": 443}[url.scheme]
    return f"{url.host}" if url.port in (None, usual) else f"{url.host}:{url.port}"
