"""The two stages of a media's way, each safe to run twice with the same result."""

import asyncio
import hashlib
import logging
import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import watermark
from errors import ImageRejected, StageError, Unforeseen
from formats import registry
from pipeline import attempts
from pipeline.delivery import Central
from pipeline.logo import Logo
from runtime.decoder_processes import PixelProcesses
from settings import Settings
from shared import console, durable
from shared.background import in_thread
from shared.contract import (
    DONE,
    FAILED,
    MEDIA_RECORD,
    WATERMARKED_PREFIX,
    FileRecord,
    Stage,
    Status,
)
from shared.spool import HeldMedia, Spool

_SMALL = 1024 * 1024  # bytes
_ENDS = {Status.STORED: DONE, Status.FAILED: FAILED}
_logger = logging.getLogger(__name__)
_MOST_REMEMBERED = 1000


class Postponed(Exception):
    """The stage is to be run again after delay_s seconds."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s


@dataclass(frozen=True)
class Stages:
    """What the stages work with, opened at start-up."""

    settings: Settings
    worker: str
    spool: Spool
    pixels: PixelProcesses
    logo: Logo
    central: Central
    _just_written: dict[str, str] = field(default_factory=dict)  # SHA-256 by media id

    async def advance(self, media: HeldMedia, stage: Stage) -> Stage | None:
        """Run stage on a media that is held and pending; the stage to queue next, if any.

        Raises Postponed, and OSError where the disk is at fault.
        """
        if await self._settle(media):
            return None
        try:
            return await self._advance(media, stage)
        except StageError as error:
            await self._handle(media, stage, error)
        except Postponed:
            raise
        except OSError as error:
            attempts.excuse(media, stage, "disk_fault", str(error))
            raise
        except asyncio.CancelledError:
            attempts.excuse(media, stage, "interrupted", "The worker had to stop meanwhile.")
            raise
        except Exception as error:
            _logger.exception("%s of %s", stage, media.record["media_id"])
            await self._handle(media, stage, Unforeseen(error))
        return None

    async def _advance(self, media: HeldMedia, stage: Stage) -> Stage | None:
        has_output = await self._has_output(media)
        if stage is Stage.WATERMARK and has_output:
            return Stage.UPLOAD
        if stage is Stage.UPLOAD and not has_output:
            return Stage.WATERMARK
        longest_s = attempts.longest_wait_s(self.settings)
        if (wait_s := attempts.wait_s(media, longest_s)) > 0:
            raise Postponed(wait_s)
        attempts.begin(media, stage, self.worker)
        if stage is Stage.WATERMARK:
            await self._watermark(media)
        elif output := media.progress["watermarked"]:
            await self._upload(media, output)
        return Stage.UPLOAD if media.progress["status"] == Status.WATERMARKED else None

    async def _watermark(self, media: HeldMedia) -> None:
        """Stage 1: the logo onto the image, in a child process."""
        started = time.monotonic()
        config = self.settings
        console.event(console.WATERMARKING, **self._fields(media))
        if media.is_damaged:
            raise ImageRejected("record_damaged", f"{MEDIA_RECORD} is missing or damaged.")
        if not durable.is_file(media.original):
            raise ImageRejected("original_missing", "The uploaded file is not there any more.")
        logo = await self.logo.path()
        options = config.options
        name = WATERMARKED_PREFIX + registry.output_name(media.record["filename"], options)
        temporary = media.path / ".watermarked.new"
        temporary.unlink(missing_ok=True)  # what has its name may be a link
        try:
            async with self.pixels.slots:
                await asyncio.sleep(random.uniform(*config.simulated_latency_s))  # noqa: S311
                output, notes = await self.pixels.run(
                    watermark.watermark_file, media.original, logo, temporary, options
                )
            temporary.replace(media.path / name)
        finally:
            temporary.unlink(missing_ok=True)  # the half of it, on a disk that is full
        media.progress["watermarked"] = {
            **output,
            "name": name,
            "content_type": registry.content_type(media.record["content_type"], options),
            "notes": notes,
        }
        attempts.end(media, Stage.WATERMARK, Status.WATERMARKED)
        media.save()
        if len(self._just_written) >= _MOST_REMEMBERED:
            self._just_written.clear()
        self._just_written[media.record["media_id"]] = output["sha256"]
        console.event(
            console.WATERMARKED,
            **self._fields(media),
            seconds=time.monotonic() - started,
            **({"note": " ".join(notes)} if notes else {}),
        )

    async def _upload(self, media: HeldMedia, output: FileRecord) -> None:
        """Stage 2: the watermarked image to central."""
        started = time.monotonic()
        console.event(console.UPLOADING, **self._fields(media))
        stored = await self.central.deliver(
            media.watermarked,
            media.record["media_id"],
            output.get("content_type", media.record["content_type"]),
            output["sha256"],
        )
        media.progress["stored"] = stored
        attempts.end(media, Stage.UPLOAD, Status.STORED)
        console.event(
            console.STORED,
            **self._fields(media),
            name=stored["name"],
            seconds=time.monotonic() - started,
        )
        await self._settle(media)

    async def _has_output(self, media: HeldMedia) -> bool:
        """Whether stage 1's output is there and whole: a power cut, which this process would not
        have survived, may have torn it."""
        output = media.progress["watermarked"]
        if output is None:
            return False
        if self._just_written.pop(media.record["media_id"], "") == output["sha256"]:
            return durable.is_file(media.watermarked)
        if output["size"] < _SMALL:  # a thread would cost more than it spares the event loop
            return _is_whole(media.watermarked, output)
        return await asyncio.to_thread(_is_whole, media.watermarked, output)

    async def _handle(self, media: HeldMedia, stage: Stage, error: StageError) -> None:
        """Note a failure. Raises Postponed where it is worth another attempt."""
        number, delay_s = attempts.charge(
            media, stage, error, self.worker, self.settings.retry_backoff_seconds
        )
        fields = {**self._fields(media), "stage": stage, "code": error.code}
        if delay_s is None:
            console.event(
                console.FAILED,
                **fields,
                attempts=number,
                detail=error.detail,
                next=attempts.after_failure(media),
            )
            await self._settle(media)
            return
        what = f"{console.RETRY} {number}/{error.attempts - 1} in {delay_s:g}s"
        console.event(what, **fields, detail=error.detail)
        raise Postponed(delay_s)

    async def _settle(self, media: HeldMedia) -> bool:
        """Move a media that is at its end where it belongs; whether it was."""
        state = _ENDS.get(media.progress["status"])
        if state is None:
            return False
        await in_thread(partial(media.settle, state))
        return True

    def _fields(self, media: HeldMedia) -> dict[str, str]:
        record = media.record
        return {
            "media_id": record["media_id"],
            "filename": record["filename"],
            "worker": self.worker,
        }


def _is_whole(path: Path, output: FileRecord) -> bool:
    try:
        with durable.reading(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == output["sha256"]
    except (FileNotFoundError, IsADirectoryError):
        return False
