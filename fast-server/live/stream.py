"""What one client has yet to get."""

import asyncio

MOST_WAITING = 256 * 1024  # bytes that were not given to its connection yet


class Stream:
    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._is_ended = False
        self._changed = asyncio.Event()

    def put(self, message: bytes) -> bool:
        """Returns whether it was taken: a client that is too far behind gets no more."""
        if self._waiting and self._bytes + len(message) > MOST_WAITING:
            return False
        self._waiting.append(message)
        self._bytes += len(message)
        self._changed.set()
        return True

    def replace(self, message: bytes) -> None:
        """Drop what waits, and put this in its place."""
        self._waiting, self._bytes = [], 0
        self.put(message)

    def end(self) -> None:
        self._is_ended = True
        self._changed.set()

    async def next(self) -> bytes:
        """All that waits, once there is something; nothing at the end."""
        await self._changed.wait()
        if self._is_ended:
            return b""
        self._changed.clear()
        messages, self._waiting, self._bytes = self._waiting, [], 0
        return b"".join(messages)
