"""The log for those who follow it, as with tail -F. They share one look each half second."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, suppress
from typing import BinaryIO

from starlette.concurrency import iterate_in_threadpool

from archive.activity_log import ActivityLog, blocks, last_lines
from shared import console, durable
from shared.contract import MIB
from shared.web.problems import Problem
from shared.web.refusals import TOO_MANY_FOLLOWERS

MOST_FOLLOWERS = 100
_LOOK_S = 0.5
_MOST_UNREAD = 240  # looks. A client that reads nothing for a minute is disconnected before.
_END = b""


class Followers:
    """Those who follow the log. Setting ended ends their streams."""

    def __init__(self, log: ActivityLog, ended: asyncio.Event) -> None:
        self._log = log
        self._ended = ended
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._looking = asyncio.Lock()
        self._reader: _Reader | None = None
        self._watching: asyncio.Task[None] | None = None

    async def follow(self, lines: int) -> AsyncGenerator[bytes]:
        """The last lines, then each new one once it is whole. Raises Problem and OSError."""
        stream = self._stream(lines)
        await anext(stream)
        return stream

    async def _stream(self, lines: int) -> AsyncGenerator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(_MOST_UNREAD)
        tail = await self._join(queue, lines)
        try:
            yield b""  # it has joined
            with closing(tail):
                async for block in iterate_in_threadpool(tail):
                    yield block
            while block := await queue.get():
                yield block
        finally:
            self._queues.discard(queue)

    async def _join(self, queue: asyncio.Queue[bytes], lines: int) -> Generator[bytes]:
        """The last lines that the others have had. The queue gets what comes after them."""
        async with self._looking:
            if len(self._queues) >= MOST_FOLLOWERS:
                raise Problem(TOO_MANY_FOLLOWERS, most=MOST_FOLLOWERS)
            if self._reader is None:
                self._reader = await asyncio.to_thread(_Reader, self._log)
                self._watching = asyncio.create_task(self._watch(self._reader))
            tail = await asyncio.to_thread(self._reader.tail, lines)
            self._queues.add(queue)
            return tail

    async def _watch(self, reader: "_Reader") -> None:
        """Look while anybody follows."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LOOK_S)
            async with self._looking:
                if self._ended.is_set():
                    self._end(list(self._queues))
                elif self._queues:
                    await self._look(reader)
                if not self._queues:
                    reader.close()
                    self._reader = None
                    return

    async def _look(self, reader: "_Reader") -> None:
        try:
            new = await asyncio.to_thread(reader.read_new)
        except Exception as error:  # whatever it is: the next one who follows begins anew
            console.event(console.NOTICE, detail=f"nobody can follow the log: {error}")
            self._end(list(self._queues))
            return
        if new:
            self._end([queue for queue in self._queues if queue.full()])
            for queue in self._queues:
                queue.put_nowait(new)

    def _end(self, queues: list[asyncio.Queue[bytes]]) -> None:
        for queue in queues:
            self._queues.discard(queue)
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(_END)


class _Reader:
    """Reads whole lines, each once. Every method may raise OSError."""

    def __init__(self, log: ActivityLog) -> None:
        """From the end of the log's last line."""
        self._log = log
        self._file = _open(log)
        self._offset, self._last = 0, b"\n"  # where it is, and the byte before that
        if self._file:
            end = self._file.seek(0, os.SEEK_END)
            start = last_lines(self._file, 1, end)
            rest = os.pread(self._file.fileno(), end - start, start)
            self._offset = start + rest.rfind(b"\n") + 1

    def close(self) -> None:
        if self._file:
            self._file.close()

    def tail(self, lines: int) -> Generator[bytes]:
        """The last lines before where it is."""
        if self._file is None:
            return _nothing()
        start = last_lines(self._file, lines, self._offset)
        own = os.fdopen(os.dup(self._file.fileno()), "rb")
        return blocks(own, start, self._offset)

    def read_new(self) -> bytes:
        """The lines that have come since: of a log that was rotated, first those of the old one."""
        if new := self._read():
            return new
        if self._is_rotated() and (file := _open(self._log)):
            self.close()
            self._file, self._offset, self._last = file, 0, b"\n"
        return self._read()

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        if self._is_truncated(self._file):
            self._offset, self._last = 0, b"\n"
        new = os.pread(self._file.fileno(), MIB, self._offset)
        whole = new[: new.rfind(b"\n") + 1]
        if len(new) == MIB:  # more than a line may be long
            whole = whole or new
        self._offset += len(whole)
        self._last = whole[-1:] or self._last
        return whole

    def _is_truncated(self, file: BinaryIO) -> bool:
        """Whether what it has read is gone, though the log may have grown again."""
        return self._offset > 0 and os.pread(file.fileno(), 1, self._offset - 1) != self._last

    def _is_rotated(self) -> bool:
        if self._file is None:
            return True
        try:
            return not os.path.samestat(self._log.file.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:  # the next line makes it
            return False


def _nothing() -> Generator[bytes]:
    yield from ()


def _open(log: ActivityLog) -> BinaryIO | None:
    """The log's file; None where there is none yet."""
    try:
        return durable.reading(log.file)
    except FileNotFoundError:
        return None
