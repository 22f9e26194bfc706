"""uvicorn's HTTP connection, with limits for what comes around a request's body.

    uvicorn main:app --http shared.web.connection:Connection

A request line with its headers may have 64 KB, 100 lines and 15 s, and so may trailers. A client
that does not read its answer is given up after a minute. Timers count the seconds, so that those
in which this process was frozen do not count.
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
from shared.web.door import DoorSettings
from shared.web.problems import MEDIA_TYPE, OUT_OF_MEMORY, ProblemType

_HEAD_S = 15
_HEAD_BYTES = 64 * 1024
_HEAD_LINES = 100
_UNREAD_S = 60
_LINGER_S = 2  # what a refused client still sends is read for so long, or it would lose the answer
_FILES_OF_EACH = 4  # an upload's socket, file, folder and lock
_OTHER_FILES = 128
_MOST_FILES = 65_536

TOO_MANY_CONNECTIONS = ProblemType("too_many_connections", 503, "Too many connections", "")
HEAD_TOO_LARGE = ProblemType("headers_too_large", 431, "The headers are too large", "")
HEAD_TOO_SLOW = ProblemType("request_timeout", 408, "The request did not arrive in time", "")
MALFORMED = ProblemType("malformed_request", 400, "This is no HTTP request", "")


class _Countdown:
    """Calls something after so many seconds in which this process ran."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: int, then: Callable[[], None]) -> None:
        """One that runs already goes on."""
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
        self._head, self._unread = _Countdown(self.loop), _Countdown(self.loop)
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        most = max_connections()
        if len(self.connections) > most:
            detail = f"{most} clients are connected, the most MAX_CONNECTIONS allows."
            self._refuse(TOO_MANY_CONNECTIONS, detail, linger=False)
        else:
            self._head.start(_HEAD_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._unread.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            data = data.lstrip(b"\r\n")  # before a request line (RFC 9112, section 2.2)
            if not data:  # which to h11 would be the end of the connection
                return
        try:
            super().data_received(data)
        except MemoryError:
            self._refuse(OUT_OF_MEMORY, OUT_OF_MEMORY.example)
        if self.conn.their_state is h11.IDLE or self._is_in_trailers():
            self._head.start(_HEAD_S, self._give_up)
        else:
            self._head.stop()

    def handle_events(self) -> None:
        """uvicorn calls it when something came, and for the next of pipelined requests."""
        if self.conn.their_state is h11.IDLE and (refusal := _refusal(self.conn.trailing_data[0])):
            self._refuse(*refusal)
        else:
            super().handle_events()

    def on_response_complete(self) -> None:
        is_whole = self.conn.their_state is not h11.SEND_BODY  # now: the next may begin below
        super().on_response_complete()
        if not is_whole:  # it has been lingered for already
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start(_UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._unread.stop()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it as it handles h11's error."""
        error = sys.exc_info()[1]
        if getattr(error, "error_status_hint", 400) == HEAD_TOO_LARGE.status:
            self._refuse(*_TOO_LARGE)
        else:
            self._refuse(MALFORMED, f"{error or msg}.")

    def _should_upgrade(self) -> bool:
        """An Upgrade that is not taken is ignored (RFC 9110, section 7.8): h2c, say."""
        return False

    def _is_in_trailers(self) -> bool:
        # h11 has no other way to tell.
        return bool(getattr(self.conn._reader, "_reading_trailer", False))

    def _give_up(self) -> None:
        if self.conn.trailing_data[0] or self._is_in_trailers():
            self._refuse(HEAD_TOO_SLOW, f"Request line and headers may take {_HEAD_S} s.")
        else:
            self.transport.close()  # nobody has asked for anything

    def _refuse(self, kind: ProblemType, detail: str, *, linger: bool = True) -> None:
        """Answer, where that is still possible, and close."""
        self._is_refused = True
        console.event(console.REFUSED, status=kind.status, code=kind.code, detail=detail)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(kind.body(detail)).encode()
            headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
            headers += [("Connection", "close")]
            answer = h11.Response(status_code=kind.status, headers=headers)
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle:  # the app has nothing more to read or to say
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
    f"Request line and headers, and trailers, may have {_HEAD_BYTES} bytes, {_HEAD_LINES} lines.",
)


def _refusal(received: bytes) -> tuple[ProblemType, str] | None:
    """What a request's head, as far as it is there, is refused for before it is read at a cost."""
    end = received.find(b"\r\n\r\n")
    head = received if end < 0 else received[:end]
    if len(head) > _HEAD_BYTES or head.count(b"\n") > _HEAD_LINES:
        return _TOO_LARGE
    names = head.lower()
    if b"\ncontent-length:" in names and b"\ntransfer-encoding:" in names:
        # A proxy may believe the other one (RFC 9112, section 6.1).
        return MALFORMED, "Content-Length and Transfer-Encoding: only one of them can be meant."
    return None


@lru_cache(maxsize=1)
def max_connections() -> int:
    """MAX_CONNECTIONS, or as many as the descriptors are enough for, where those are fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        soft = _MOST_FILES
    settings = environment.load(DoorSettings)
    return max(1, min(settings.max_connections, (soft - _OTHER_FILES) // _FILES_OF_EACH))
