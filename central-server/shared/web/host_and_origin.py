"""Checks of Host and Origin before any route, and PUBLIC_URL in the service's own links.

There is no login. But a browser sends what any page asks it to, so the page must be the service's
own, or of a site that the operator names. The Host must be the service's too: a page whose name
somebody's DNS points here would count as its own otherwise (DNS rebinding).
"""

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar

from pydantic import AnyHttpUrl, BeforeValidator, Field, NonNegativeInt, field_validator
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
    "{host} is no name of this service. Reach it by its IP address or by localhost, or ask its "
    "operator to set PUBLIC_URL or ALLOWED_HOSTS.",
)
CROSS_SITE = ProblemType(
    "cross_site",
    403,
    "Another site's page sent this",
    "A page of {site} may not do this. Ask the service's operator to name it in ALLOWED_ORIGINS.",
)
SAFE_METHOD_REFUSALS = (WRONG_HOST, problems.OUT_OF_MEMORY)
UNSAFE_METHOD_REFUSALS = (*SAFE_METHOD_REFUSALS, CROSS_SITE)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # another site's page cannot read the answers
_OWN_SITE = (b"same-origin", b"none")  # of Sec-Fetch-Site; none: typed, or a bookmark
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]+)?")
_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")
_ABSOLUTE = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE)
_DOCKER_HOST = "host.docker.internal"
_EXPOSED = (
    *("Location", "Retry-After", "Idempotent-Replayed"),
    *("Content-Disposition", "Archive-Images", "Archive-Left-Out"),
)
OWN_PATHS = (
    *("media", "events", "stats", "activity", "pause", "resume", "upload-final"),
    *("health", "ready", "docs", "redoc"),
)


def _comma_separated(pattern: re.Pattern[str], example: str) -> BeforeValidator:
    def parse(text: str | tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(text, tuple):  # the default
            return text
        entries = tuple(e.strip().lower() for e in text.split(",") if e.strip())
        if wrong := [entry for entry in entries if not pattern.fullmatch(entry)]:
            raise ValueError(f"write {example} and not {wrong[0]}, with commas between several")
        return entries

    return BeforeValidator(parse)


class HttpSettings(BaseSettings):
    """The settings that both services have; the README's table explains each."""

    model_config = SettingsConfigDict(env_ignore_empty=True)
    own_paths: ClassVar[tuple[str, ...]] = OWN_PATHS

    public_url: AnyHttpUrl | None = None
    allowed_hosts: Annotated[
        tuple[str, ...], NoDecode, _comma_separated(_HOST, "photos.example or *.photos.example")
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...], NoDecode, _comma_separated(_ORIGIN, "https://shop.example")
    ] = ()
    max_connections: Annotated[int, Field(ge=1)] = 2000
    min_free_mb: NonNegativeInt = 512

    @property
    def path_prefix(self) -> str:
        """The path of PUBLIC_URL, as in "/photos"; empty where it has none."""
        return (self.public_url.path or "").rstrip("/") if self.public_url else ""

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if url is not None and (url.username or url.password or url.query or url.fragment):
            raise ValueError("it may have a scheme, a host and a path only")
        if url is not None and not _PREFIX.fullmatch(url.path or ""):
            raise ValueError("its path may have letters, digits, and . _ ~ - between slashes")
        if url is not None and (url.path or "/").split("/")[1] in cls.own_paths:
            raise ValueError("its path must not begin as a path of the service does")
        return url


class HostAndOriginCheck:
    """Middleware. The app's state has the settings once the app has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._check: _Check | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = scope["app"].state.settings
        if self._check is None or self._check.settings is not settings:
            self._check = _Check(self._app, settings)
        check, scope = self._check, _in_origin_form(scope)
        try:
            check.refuse_foreign(scope)
        except Problem as problem:
            await problems.answer_to(Request(scope), problem)(scope, receive, send)
        else:
            await check.app(check.as_public(scope), receive, send)


class _Check:
    """The check for one set of settings."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        self.settings = settings
        url = settings.public_url
        self._origins = set(settings.allowed_origins)
        self._names = {*settings.allowed_hosts, _DOCKER_HOST, socket.gethostname().lower()}
        self._public: tuple[str, bytes] | None = None
        self._prefix = settings.path_prefix
        if url is not None:
            netloc = _netloc(url)
            self._public = url.scheme, netloc.encode()
            self._origins.add(f"{url.scheme}://{netloc}")
            self._names.add(without_port(netloc))
        self.app = app
        if settings.allowed_origins:
            self.app = CORSMiddleware(
                app,
                allow_origins=settings.allowed_origins,
                allow_methods=("GET", "HEAD", "POST", "DELETE"),
                allow_headers=("Idempotency-Key", "Last-Event-ID"),
                expose_headers=_EXPOSED,
            )

    def refuse_foreign(self, scope: Scope) -> None:
        """Raises Problem for a wrong Host, or a page of another site."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:  # joined, two that differ match nothing
            headers[name] = headers[name] + b", " + value if name in headers else value
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_own_name(without_port(host)):
            raise Problem(WRONG_HOST, host=host[:100])
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        is_preflight = origin and b"access-control-request-method" in headers
        if origin in self._origins or (scope["method"] in _SAFE_METHODS and not is_preflight):
            return
        site = headers.get(b"sec-fetch-site")
        if site is None and origin in ("", f"http://{host}", f"https://{host}"):
            return
        if site is None or site not in _OWN_SITE:
            raise Problem(CROSS_SITE, site=origin[:100] or "another site")

    def _is_own_name(self, name: str) -> bool:
        """Whether no foreign DNS can answer for the name, or the operator has given it."""
        if "." not in name or name.endswith(".localhost") or name in self._names:
            return True  # also without a Host, as in HTTP/1.0
        if any(name.endswith(n[1:]) for n in self._names if n.startswith("*.")):
            return True
        try:
            return bool(ip_address(name))
        except ValueError:
            return False

    def as_public(self, scope: Scope) -> Scope:
        """The request as sent to PUBLIC_URL, whether or not a proxy has cut off its prefix."""
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
    """The request with a path as its target and the host of an absolute one (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(scope["path"])
    if absolute is None:
        return scope
    host, path = absolute[1].encode(), absolute[2] or "/"
    headers = [(b"host", host), *(h for h in scope["headers"] if h[0] != b"host")]
    return {**scope, "headers": headers, "path": path, "raw_path": path.encode()}


def without_port(host: str) -> str:
    """The name in a Host header: no port, no brackets of IPv6, no dot of the DNS root."""
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
