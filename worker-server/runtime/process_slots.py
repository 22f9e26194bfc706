"""Whose turn it is at the decoder processes: images in their order, previews before them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_Waiting = deque[asyncio.Future[None]]
# With one process: so many images between two previews, where images wait.
_IMAGES_BETWEEN = 3


class ProcessSlots:
    """As many turns at a time as there are processes.

    A preview gets the next process that becomes free. With one process alone, previews get every
    fourth turn while images wait.
    """

    def __init__(self, processes: int) -> None:
        self._is_single = processes == 1
        self._free = processes
        self._images: _Waiting = deque()
        self._previews: _Waiting = deque()
        self._images_since = _IMAGES_BETWEEN  # since the last preview
        self._preview_turn = asyncio.Lock()

    @asynccontextmanager
    async def image(self) -> AsyncIterator[None]:
        await self._take(self._images)
        try:
            self._images_since += 1
            yield
        finally:
            self._pass_on()

    @asynccontextmanager
    async def preview(self) -> AsyncIterator[None]:
        """One at a time: previews never hold more than one process."""
        async with self._preview_turn:
            await self._take(self._previews)
            try:
                self._images_since = 0
                yield
            finally:
                self._pass_on()

    async def _take(self, waiting: _Waiting) -> None:
        if self._free:  # so nobody waits
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # it was passed over already
                    waiting.remove(turn)
            else:  # its turn had just come
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn that has ended to whoever is next."""
        while waiting := self._next():
            turn = waiting.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1

    def _next(self) -> _Waiting:
        is_early = self._is_single and self._images_since < _IMAGES_BETWEEN
        return self._images if not self._previews or (is_early and self._images) else self._previews
