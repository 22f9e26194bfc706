"""The two stages of a media's way, each safe to run twice with the same result."""

import asyncio
import hashlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import watermark
from errors import ImageRejected, StageError
from formats import registry
from pipeline import attempts
from pipeline.delivery import LONGEST_RETRY_AFTER_S, Central
from pipeline.logo import Logo
from runtime.decoder_processes import PixelProcesses
from settings import Settings
from shared import console
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
        if self._settle(media):
            return None
        has_output = await self._has_output(media)
        if stage is Stage.WATERMARK and has_output:
            return Stage.UPLOAD
        if stage is Stage.UPLOAD and not has_output:
            return Stage.WATERMARK
        longest_s = max(LONGEST_RETRY_AFTER_S, 10 * self.settings.retry_backoff_seconds)
        if (wait_s := attempts.wait_s(media, longest_s)) > 0:
            raise Postponed(wait_s)
        try:
            await (self._watermark(media) if stage is Stage.WATERMARK else self._upload(media))
        except StageError as error:
            self._handle(media, stage, error)
        except OSError as error:
            attempts.excuse(media, stage, "disk_fault", str(error))
            raise
        except asyncio.CancelledError:
            attempts.excuse(media, stage, "interrupted", "The worker had to stop meanwhile.")
            raise
        return Stage.UPLOAD if media.progress["status"] == Status.WATERMARKED else None

    async def _watermark(self, media: HeldMedia) -> None:
        """Stage 1: the logo onto the image, in a child process."""
        started = time.monotonic()
        config = self.settings
        console.event(console.WATERMARKING, **self._fields(media))
        attempts.begin(media, Stage.WATERMARK, Status.WATERMARKING, self.worker)
        if media.is_damaged:
            raise ImageRejected("record_damaged", f"{MEDIA_RECORD} is missing or damaged.")
        if not media.original.is_file():
            raise ImageRejected("original_missing", "The uploaded file is not there any more.")
        logo = await self.logo.path()
        options = config.options
        name = WATERMARKED_PREFIX + registry.output_name(media.record["filename"], options)
        temporary = media.path / ".watermarked.new"
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
        if len(self._just_written) >= _MOST_REMEMBERED:
            self._just_written.clear()
        self._just_written[media.record["media_id"]] = output["sha256"]
        console.event(
            console.WATERMARKED,
            **self._fields(media),
            seconds=time.monotonic() - started,
            **({"note": " ".join(notes)} if notes else {}),
        )

    async def _upload(self, media: HeldMedia) -> None:
        """Stage 2: the watermarked image to central."""
        started = time.monotonic()
        console.event(console.UPLOADING, **self._fields(media))
        attempts.begin(media, Stage.UPLOAD, Status.UPLOADING, self.worker)
        output, content_type = media.progress["watermarked"], media.record["content_type"]
        if output is not None:
            content_type = output.get("content_type", content_type)
        stored = await self.central.deliver(
            media.watermarked, media.record["media_id"], content_type
        )
        media.progress["stored"] = stored
        attempts.end(media, Stage.UPLOAD, Status.STORED)
        console.event(
            console.STORED,
            **self._fields(media),
            name=stored["name"],
            seconds=time.monotonic() - started,
        )
        self._settle(media)

    async def _has_output(self, media: HeldMedia) -> bool:
        """Whether stage 1's output is there and whole: a power cut, which this process would not
        have survived, may have torn it."""
        output = media.progress["watermarked"]
        if output is None:
            return False
        if self._just_written.pop(media.record["media_id"], "") == output["sha256"]:
            return media.watermarked.is_file()
        if output["size"] < _SMALL:  # a thread would cost more than it spares the event loop
            return _is_whole(media.watermarked, output)
        return await asyncio.to_thread(_is_whole, media.watermarked, output)

    def _handle(self, media: HeldMedia, stage: Stage, error: StageError) -> None:
        """Note a failure. Raises Postponed where it is worth another attempt."""
        number, delay_s = attempts.charge(media, stage, error, self.settings.retry_backoff_seconds)
        fields = {**self._fields(media), "stage": stage, "code": error.code}
        if delay_s is None:
            console.event(
                console.FAILED,
                **fields,
                attempts=number,
                detail=error.detail,
                next=attempts.after_failure(media),
            )
            self._settle(media)
            return
        what = f"{console.RETRY} {number}/{error.attempts - 1} in {delay_s:g}s"
        console.event(what, **fields, detail=error.detail)
        raise Postponed(delay_s)

    def _settle(self, media: HeldMedia) -> bool:
        """Move a media that is at its end where it belongs; whether it was."""
        if media.progress["status"] == Status.STORED:
            media.watermarked.unlink(missing_ok=True)  # central's now
            media.move(DONE)
        elif media.progress["status"] == Status.FAILED:
            media.move(FAILED)
        else:
            return False
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
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == output["sha256"]
    except (FileNotFoundError, IsADirectoryError):
        return False
