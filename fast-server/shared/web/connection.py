"""uvicorn's HTTP connection, with limits for everything but a request's body.

    uvicorn main:app --http shared.web.connection:Connection

Request line and headers together may have 64 KB, 100 lines and 15 s. Trailers may take 15 s, and
64 KB may wait for their end. A client that does not read its answer for a minute is disconnected,
and after a second when the process must end.
Time in which this process was frozen does not count.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared import console, environment
from shared.web.host_and_origin import HttpSettings
from shared.web.problems import MEDIA_TYPE, OUT_OF_MEMORY, RETRY_AFTER_S, ProblemType

_HEAD_S = 15
_HEAD_BYTES = 64 * 1024
_HEAD_LINES = 100
_UNREAD_S = 60
_UNREAD_AT_THE_END_S = 1  # when this process must end
_LINGER_S = 2  # a refused client is read from for so long: a reset would destroy its answer
_FILES_OF_EACH = 4  # an upload's socket, file, folder and lock
_OTHER_FILES = 128
_MOST_FILES = 65_536

TOO_MANY_CONNECTIONS = ProblemType(
    "too_many_connections", 503, "Too many connections", "", RETRY_AFTER_S
)
HEAD_TOO_LARGE = ProblemType("headers_too_large", 431, "The headers are too large", "")
HEAD_TOO_SLOW = ProblemType("request_timeout", 408, "The request did not arrive in time", "")
MALFORMED = ProblemType("malformed_request", 400, "This is not an HTTP request", "")


class _Countdown:
    """A timer of so many ticks of one second: a frozen process does not tick."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: int, then: Callable[[], None]) -> None:
        """Does nothing while it runs."""
        if self._timer is None:
            self._timer = self._loop.call_later(1, self._tick, seconds - 1, then)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, seconds: int, then: Callable[[], None]) -> None:
        self._timer = None
        if seconds > 0:
            self.start(seconds, then)
        else:
            then()


class Connection(H11Protocol):
    """One connection. uvicorn makes it, and calls the methods of asyncio.Protocol."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn's takes only 16 KB of a head that comes in pieces.
        self.conn = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._head, self._unread = _Countdown(self.loop), _Countdown(self.loop)
        self._unread_s = _UNREAD_S
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        most = max_connections()
        if len(self.connections) > most:
            detail = f"{most} clients are connected, the most MAX_CONNECTIONS allows."
            self._refuse(TOO_MANY_CONNECTIONS, detail, linger=False)
        else:
            self._head.start(_HEAD_S, self._time_out)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._unread.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            data = data.lstrip(b"\r\n")  # allowed before a request line (RFC 9112, section 2.2)
            if not data:  # h11 would take it for the end of the connection
                return
        try:
            super().data_received(data)
        except MemoryError:
            self._refuse(OUT_OF_MEMORY, OUT_OF_MEMORY.sentence)
        if self.conn.their_state is h11.IDLE or self._is_in_trailers():
            self._head.start(_HEAD_S, self._time_out)
        else:
            self._head.stop()

    def handle_events(self) -> None:
        """uvicorn calls it when data has come, and for each pipelined request."""
        received = self.conn.trailing_data[0]
        if self.conn.their_state is h11.IDLE and (refused := _kind_and_detail(received)):
            self._refuse(*refused)
        else:
            super().handle_events()

    def on_response_complete(self) -> None:
        is_whole = self.conn.their_state is not h11.SEND_BODY  # the next request may begin below
        super().on_response_complete()
        if not is_whole:  # LingeringClose has waited for the rest already
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start(self._unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._unread.stop()
        super().resume_writing()

    def shutdown(self) -> None:
        """uvicorn calls it at SIGTERM, and waits for every answer that goes on."""
        super().shutdown()
        self._unread_s = _UNREAD_AT_THE_END_S
        if self.flow.write_paused:
            self._unread.stop()
            self.pause_writing()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it while it handles h11's error."""
        error = sys.exc_info()[1]
        if getattr(error, "error_status_hint", 400) == HEAD_TOO_LARGE.status:
            self._refuse(*_TOO_LARGE)
        else:
            self._refuse(MALFORMED, f"{error or msg}.")

    def _should_upgrade(self) -> bool:
        """No: an Upgrade, such as to h2c, may be ignored (RFC 9110, section 7.8)."""
        return False

    def _is_in_trailers(self) -> bool:
        # h11 has no public way to see it.
        return bool(getattr(self.conn._reader, "_reading_trailer", False))

    def _time_out(self) -> None:
        if self.conn.trailing_data[0] or self._is_in_trailers():
            self._refuse(HEAD_TOO_SLOW, f"Request line and headers may take {_HEAD_S} s.")
        else:
            self.transport.close()  # no request has begun

    def _refuse(self, kind: ProblemType, detail: str, *, linger: bool = True) -> None:
        """Answer, unless a response has begun, and close."""
        self._is_refused = True
        console.event(console.REFUSED, status=kind.status, code=kind.code, detail=detail)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(kind.body(detail)).encode()
            headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
            headers += [("Connection", "close"), *kind.headers.items()]
            answer = h11.Response(status_code=kind.status, headers=headers)
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle:  # ends the app's receive and send
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if linger and self.transport.can_write_eof():
            self.transport.write_eof()
            self.transport.resume_reading()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()


_TOO_LARGE = (
    HEAD_TOO_LARGE,
    f"Request line and headers may have {_HEAD_BYTES} bytes and {_HEAD_LINES} lines.",
)


def _kind_and_detail(received: bytes) -> tuple[ProblemType, str] | None:
    """Why to refuse a request without parsing its head, which may be incomplete; None if fine."""
    end = received.find(b"\r\n\r\n")
    head = received if end < 0 else received[:end]
    if len(head) > _HEAD_BYTES or head.count(b"\n") > _HEAD_LINES:
        return _TOO_LARGE
    names = head.lower()
    if b"\ncontent-length:" in names and b"\ntransfer-encoding:" in names:
        # A proxy may go by the other one: request smuggling (RFC 9112, section 6.1).
        return MALFORMED, "Content-Length and Transfer-Encoding exclude each other: send one."
    return None


@lru_cache(maxsize=1)
def max_connections() -> int:
    """MAX_CONNECTIONS, or fewer if there are too few file descriptors."""
    unlimited = {resource.RLIM_INFINITY: _MOST_FILES}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files, most = unlimited.get(soft, soft), min(unlimited.get(hard, hard), _MOST_FILES)
    if files < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        files = most
    settings = environment.load(HttpSettings)
    return max(1, min(settings.max_connections, (files - _OTHER_FILES) // _FILES_OF_EACH))
