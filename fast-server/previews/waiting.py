"""Requests that wait for previews to be made. One task asks Redis about all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from shared.background import end, repeat
from shared.redis import previews
from shared.redis.previews import Preview, State
from upload_api.refusals import redis_unavailable

_LOOK_S = 0.05


class Waiting:
    """While nobody waits, nothing is asked."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._waiting: dict[Preview, list[asyncio.Future[State]]] = {}
        self._anybody = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(repeat("previews", self._look, _LOOK_S))
        try:
            yield
        finally:
            await end([looking])

    async def outcome(self, preview: Preview) -> State:
        """Wait until it is made, or cannot be. Raises Problem where Redis does not answer."""
        outcome = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(preview, []).append(outcome)
        self._anybody.set()
        try:
            state: State = await outcome
            return state
        finally:
            self._waiting[preview].remove(outcome)
            if not self._waiting[preview]:
                del self._waiting[preview]

    async def _look(self) -> None:
        if not self._waiting:
            self._anybody.clear()
            await self._anybody.wait()
        asked = list(self._waiting)
        try:
            states = await previews.states(self._redis, asked)
        except (RedisError, OSError) as error:
            for preview in asked:
                for outcome in self._unknown(preview):
                    outcome.set_exception(redis_unavailable(error))
            return
        for preview, state in zip(asked, states, strict=True):
            if state.is_over:
                for outcome in self._unknown(preview):
                    outcome.set_result(state)

    def _unknown(self, preview: Preview) -> list[asyncio.Future[State]]:
        return [outcome for outcome in self._waiting.get(preview, ()) if not outcome.done()]
