"""An image's way from pending/ to done/ or failed/, in the order of this file.

Each of the two stages may run twice with the same result.
"""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import watermark
from errors import ImageRejected
from formats import registry
from pipeline import attempts
from pipeline.attempts import Postponed, StageAttempt, attempt
from pipeline.delivery import DeliveryClient
from pipeline.logo import Logo
from pipeline.work_log import WorkLog
from runtime.decoder_processes import DecoderProcesses
from settings import Settings
from shared import console, durable
from shared.background import in_thread
from shared.contract import (
    DONE,
    FAILED,
    MEDIA_RECORD,
    PENDING,
    WATERMARKED_PREFIX,
    FileRecord,
    Stage,
    Status,
)
from shared.redis import events
from shared.redis.events import Event
from shared.redis.jobs import Job
from shared.spool import HeldMedia, MediaBusy, MediaGone, Spool

_BUSY_S = 5
_DISK_FAULT_S = 10
_ENDS = {Status.STORED: DONE, Status.FAILED: FAILED}


class Outcome(NamedTuple):
    """What a job led to: the job to queue next, if any, and its encoded event, if any."""

    following: Job | None = None
    event: bytes = b""


@dataclass(frozen=True)
class Stages:
    """The two stages, and what they work with."""

    settings: Settings
    worker: str
    spool: Spool
    decoders: DecoderProcesses
    logo: Logo
    central: DeliveryClient
    work_log: WorkLog = field(default_factory=WorkLog)

    async def do_job(self, media_id: str, stage: Stage, run: int) -> Outcome:
        """Do one job. Raises Postponed.

        The media's lock is free by then, for the following job needs it.
        """
        try:
            with self.spool.hold(media_id) as media:
                # A job of an earlier run, or one that ran already: nothing is left to do.
                is_over = media.state != PENDING or media.progress["run"] != run
                try:
                    next_stage = None if is_over else await self.advance(media, stage)
                except Postponed as postponed:
                    postponed.event = events.encoded(events.now(media), Event.RETRY)
                    raise
                event = events.encoded(events.now(media))
        except MediaGone:
            return Outcome(event=events.removed(media_id))
        except MediaBusy:
            raise Postponed(_BUSY_S) from None
        except OSError as error:
            detail = f"The disk: {error}. Tried again in {_DISK_FAULT_S} s."
            console.event(console.NOTICE, media_id=media_id, stage=stage, detail=detail)
            raise Postponed(_DISK_FAULT_S) from None
        return Outcome((media_id, next_stage, run) if next_stage else None, event)

    async def advance(self, media: HeldMedia, stage: Stage) -> Stage | None:
        """Run stage on a media that is held and pending. Returns the stage to queue next, if any.

        Raises Postponed, and OSError where the disk is at fault.
        """
        if await self._settle(media):  # its worker died before it moved
            return None
        with attempt(media, stage, self.worker, self.settings.retry_backoff_seconds) as current:
            output = await self._output(media)
            if output and stage is Stage.WATERMARK:
                return Stage.UPLOAD
            if not output and stage is Stage.UPLOAD:
                return Stage.WATERMARK
            wait_s = attempts.wait_s(media, attempts.longest_wait_s(self.settings))
            if wait_s > 0:
                raise Postponed(wait_s)
            current.begin()
            with self.work_log.at(media, stage):
                if output:
                    await self._upload(media, output, current)
                else:
                    await self._watermark(media, current)
        await self._settle(media)
        self.work_log.count(media.progress["status"])
        return Stage.UPLOAD if media.progress["status"] == Status.WATERMARKED else None

    async def _output(self, media: HeldMedia) -> FileRecord | None:
        """Stage 1's output, if it is there and whole: a power cut may have torn it."""
        output = media.progress["watermarked"]
        if output is None:
            return None
        is_whole = await asyncio.to_thread(_is_whole, media.watermarked, output)
        return output if is_whole else None

    async def _watermark(self, media: HeldMedia, current: StageAttempt) -> None:
        """Stage 1: the logo onto the image, in a decoder process."""
        if media.is_damaged:
            raise ImageRejected("record_damaged", f"{MEDIA_RECORD} is missing or damaged.")
        if not durable.is_file(media.original):
            raise ImageRejected("original_missing", "The uploaded file is not there any more.")
        logo = await self.logo.path()
        options = self.settings.options
        name = WATERMARKED_PREFIX + registry.output_name(media.record["filename"], options)
        temporary = media.path / ".watermarked.new"
        temporary.unlink(missing_ok=True)  # it may be a link
        try:
            async with self.decoders.slots.image():
                latency_s = random.uniform(*self.settings.simulated_latency_s)  # noqa: S311
                await asyncio.sleep(latency_s)
                output, notes = await self.decoders.run(
                    watermark.watermark_file, media.original, logo, temporary, options
                )
            temporary.replace(media.path / name)
        finally:
            temporary.unlink(missing_ok=True)  # half a file, on a disk that is full
        media.progress["watermarked"] = {
            **output,
            "name": name,
            "content_type": registry.content_type(media.record["content_type"], options),
            "notes": notes,
        }
        current.end(note=" ".join(notes) or None)

    async def _upload(self, media: HeldMedia, output: FileRecord, current: StageAttempt) -> None:
        """Stage 2: the watermarked image to central."""
        media.progress["stored"] = stored = await self.central.deliver(
            media.watermarked,
            media.record["media_id"],
            output.get("content_type", media.record["content_type"]),
            output["sha256"],
        )
        current.end(name=stored["name"])

    async def _settle(self, media: HeldMedia) -> bool:
        """Move a media that is stored or has failed to done/ or failed/.

        Returns whether it was one.
        """
        state = _ENDS.get(media.progress["status"])
        if state is None:
            return False
        await in_thread(partial(media.settle, state))
        return True


def _is_whole(path: Path, output: FileRecord) -> bool:
    try:
        with durable.reading(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == output["sha256"]
    except (FileNotFoundError, IsADirectoryError):
        return False
