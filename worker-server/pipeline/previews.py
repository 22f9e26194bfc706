"""Previews: made when somebody looks at an image, and kept in the uploads volume.

They are made while the workers are paused, too. All of it may be lost at any time.
"""

import asyncio
import os
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from errors import DecoderFailed, ImageRejected, StageError, Unavailable, Unforeseen
from pipeline.delivery import NOT_STORED
from pipeline.stages import Stages
from preview import preview_file
from shared import console, durable
from shared.background import end, in_thread, repeat
from shared.contract import MEDIA_RECORD
from shared.records import read_record
from shared.redis import jobs, previews
from shared.redis.previews import NOTE_MAKING_S, Failure, Kind, Preview
from shared.spool import MediaGone, remove_previews

# The folder of a preview that is being made begins so. It lies in its media's, so that it goes with
# the media; recovery/preview_sweep.py removes old ones.
MAKING = ".making-"
_WAIT_S = 2.0
_REDIS_PAUSE_S = 1.0
# How long it is known why one cannot be shown. A decoder may have failed for the machine.
_IMAGE_S, _DECODER_S, _OTHER_S = 3600.0, 60.0, 2.0


class PreviewMaker:
    """One for a worker process."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._root = stages.spool.root
        self._notice = console.RecurringNotice()

    async def run(self, redis: ArqRedis, of: Kind) -> None:
        """Make the newest of this kind that is wanted, one after the other, until cancelled.

        Whatever Redis does, the worker's images go on.
        """
        while True:
            try:
                if preview := await previews.take(redis, of, _WAIT_S):
                    await self._make(redis, preview)
            except Exception as error:
                self._notice.report(detail=f"previews: {error!r}")
                await asyncio.sleep(_REDIS_PAUSE_S)
                if str(error).startswith("WRONGTYPE"):
                    with suppress(RedisError, OSError):  # the next request says it again
                        await jobs.put_aside_foreign_keys(redis)

    async def _make(self, redis: ArqRedis, preview: Preview) -> None:
        """Make it, and note in Redis what became of it. Raises RedisError or OSError."""
        note = partial(previews.note_making, redis, preview)
        noting = asyncio.create_task(repeat("a preview", note, NOTE_MAKING_S))
        failure, kept_s = None, 0.0
        try:
            await self._write(preview)
        except MediaGone:
            return  # its clients are told so
        except Exception as error:
            failure, kept_s = _failure(error)
            said, cause = {"code": failure.code, "detail": failure.detail}, str(error)
            said |= {} if cause in failure.detail else {"cause": cause}  # clients see no paths
            console.event(console.NOTICE, media_id=preview.media_id, preview=preview.of, **said)
        finally:
            await end([noting])
        if failure is None:
            await previews.note_made(redis, preview)
        else:
            await previews.note_failure(redis, preview, failure, kept_s)

    async def _write(self, preview: Preview) -> None:
        """Raises MediaGone, StageError, OSError."""
        if await asyncio.to_thread(durable.is_file, preview.path(self._root)):
            return  # another worker has just made it
        decoders, options = self._stages.decoders, self._stages.settings.options
        folder = await in_thread(partial(self._new_folder, preview))
        try:
            source, target = folder / "source", folder / "preview.webp"
            await self._get(preview, source)
            async with decoders.slots.preview():
                await decoders.run(preview_file, source, target, preview.size, options)
            await in_thread(partial(self._keep, preview, target))
        except FileNotFoundError:  # as after a DELETE: then this raises MediaGone
            await asyncio.to_thread(self._stages.spool.find, preview.media_id)
            raise
        finally:
            await in_thread(partial(_remove, folder))

    def _new_folder(self, preview: Preview) -> Path:
        parent = preview.path(self._root).parent
        for folder in (parent.parent, parent):
            durable.make_folder(folder)
        return Path(mkdtemp(prefix=MAKING, dir=parent))

    async def _get(self, preview: Preview, target: Path) -> None:
        if preview.of is Kind.ORIGINAL:
            await in_thread(partial(self._link_original, preview.media_id, target))
            return
        central = self._stages.central
        known = await asyncio.to_thread(self._stages.spool.describe, preview.media_id)
        stored = known["stored"] or await central.receipt(preview.media_id)  # its record was lost
        if stored is None:
            raise Unavailable(NOT_STORED, "Central has no image of it.")
        await central.fetch(preview.media_id, stored, target)

    def _link_original(self, media_id: str, target: Path) -> None:
        """So that the original may move meanwhile, and go."""
        for _ in range(2):  # it may be moving
            path = self._stages.spool.find(media_id)
            record = read_record(path)
            if record["format_version"] == 0 and durable.is_folder(path):
                raise ImageRejected("record_damaged", f"{MEDIA_RECORD} is missing or damaged.")
            original = path / record["filename"]
            with suppress(FileNotFoundError):
                if durable.is_file(original):
                    os.link(original, target, follow_symlinks=False)
            if durable.is_file(target):
                return
        raise ImageRejected("original_missing", "The uploaded file is not there any more.")

    def _keep(self, preview: Preview, made: Path) -> None:
        """Put it in its place. Raises MediaGone where the media was deleted meanwhile."""
        path = preview.path(self._root)
        with made.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave an empty one in its place
        made.replace(path)
        try:
            self._stages.spool.find(preview.media_id)
        except MediaGone:
            remove_previews(self._root, preview.media_id)
            raise


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # there are previews in it
        folder.parent.rmdir()


def _failure(error: Exception) -> tuple[Failure, float]:
    """Why there is no preview, and for how many seconds that is known."""
    if isinstance(error, OSError):
        detail = f"The disk: {error.strerror or 'it failed'}."
        return Failure("storage_unavailable", detail, is_final=False), _OTHER_S
    known = error if isinstance(error, StageError) else Unforeseen(error)
    kept_s = _OTHER_S
    if isinstance(known, ImageRejected):
        kept_s = _IMAGE_S
    elif isinstance(known, DecoderFailed):
        kept_s = _DECODER_S
    is_final = isinstance(known, ImageRejected | DecoderFailed)
    return Failure(known.code, known.detail, is_final), kept_s
