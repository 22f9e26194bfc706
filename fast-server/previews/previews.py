"""GET /media/{media_id}/preview: from the cache, else from a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from images import stored_image
from previews.waiting import Waiting
from shared import durable
from shared.contract import CENTRAL_UNREACHABLE as CENTRAL_CODE
from shared.redis import jobs, previews
from shared.redis.previews import Failure, Kind, Preview
from shared.spool import Spool
from shared.web.opened_file import OpenedFile
from shared.web.problems import Problem
from upload_api.refusals import (
    CENTRAL_UNREACHABLE,
    NOT_STORED,
    PREVIEW_IMPOSSIBLE,
    PREVIEW_PENDING,
    redis_unavailable,
)

_WAIT_S, _REDIS_S = 2.0, 1.5
_CACHE = "private, max-age=3600"


class Previews:
    """Opens previews, and lets workers make those that are missing."""

    def __init__(self, spool: Spool, redis: ArqRedis) -> None:
        self._spool = spool
        self._redis = redis
        self._waiting = Waiting(redis)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._waiting.running():
            yield

    async def opened(self, preview: Preview) -> OpenedFile:
        """The preview, after 2 s at most. Raises MediaGone, Problem, OSError."""
        if found := await asyncio.to_thread(self._find, preview):
            return found
        if preview.of is Kind.WATERMARKED:  # raises Problem where it is not stored
            await asyncio.to_thread(stored_image.known, self._spool, preview.media_id)
        try:
            async with asyncio.timeout(_WAIT_S):
                return await self._made(preview)
        except TimeoutError:
            await asyncio.to_thread(self._spool.find, preview.media_id)  # it may be gone by now
            raise Problem(PREVIEW_PENDING) from None

    async def _made(self, preview: Preview) -> OpenedFile:
        while True:  # what was made may be gone from the cache again
            failure = await self._ask(preview)
            if failure is None:
                failure = (await self._waiting.outcome(preview)).failure
            if failure is not None:
                raise _problem(failure)
            if found := await asyncio.to_thread(self._find, preview):
                return found

    async def _ask(self, preview: Preview) -> Failure | None:
        """Ask the workers for it. Returns why it cannot be shown, if that is known."""
        try:
            async with asyncio.timeout(_REDIS_S):
                return await previews.ask(self._redis, preview)
        except (RedisError, OSError) as error:
            if str(error).startswith("WRONGTYPE"):
                with suppress(RedisError, OSError):
                    await jobs.put_aside_foreign_keys(self._redis)
            raise redis_unavailable(error) from error

    def _find(self, preview: Preview) -> OpenedFile | None:
        """The preview in the cache. Raises MediaGone."""
        self._spool.find(preview.media_id)
        path = preview.path(self._spool.root)
        try:
            for folder in (path.parent.parent, path.parent):
                durable.require_folder(folder)
            file = durable.reading(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return OpenedFile(file, "image/webp", path.name, cache=_CACHE)


def _problem(failure: Failure) -> Problem:
    if failure.is_final:
        return Problem(PREVIEW_IMPOSSIBLE, failure.detail)
    if failure.code == NOT_STORED.code:
        return Problem(NOT_STORED, failure.detail)
    if failure.code == CENTRAL_CODE:
        return Problem(CENTRAL_UNREACHABLE, failure.detail)
    return Problem(PREVIEW_PENDING, f"{failure.detail} Try again in a few seconds.")
