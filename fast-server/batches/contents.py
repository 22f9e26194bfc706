"""What an archive has in it, out of the records of the media that were chosen."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from os.path import splitext
from typing import Any, NamedTuple

from ulid import ULID

from batches import names, zip_writer
from batches.zip_writer import ZipEntry
from media import status
from shared import clock
from shared.contract import Status, safe_line
from shared.spool import MediaGone, Spool

_AT_ONCE = 200
_LIST = "left out.txt"
_UNKNOWN = "There is no such media: it was removed, or there never was one."
_LOST = "Central has no image of it any more, or another one than was stored."
_UNSURE = "Its record does not say what central has stored: GET /media/{}/image may have it."


class Image(NamedTuple):
    """An image that central has."""

    media_id: str
    sha256: str
    entry: ZipEntry


class Missing(NamedTuple):
    """One that is left out, and why."""

    media_id: str
    status: str
    reason: str


Found = tuple[str, Image | Missing]  # with a path that others may have, too


@dataclass(frozen=True)
class Contents:
    """images: the oldest first. left_out: the file that lists what is not in it."""

    images: list[Image]
    missing: int
    left_out: bytes
    left_out_entry: ZipEntry

    def length(self) -> int:
        """Of the ZIP, in bytes."""
        listed = [self.left_out_entry] if self.missing else []
        return zip_writer.length([*(image.entry for image in self.images), *listed])


async def of_media(spool: Spool, media_ids: Collection[str], lost: Collection[str]) -> Contents:
    """What an archive of these media has in it, without those that central has lost.

    Raises OSError.
    """
    ordered, found = sorted(media_ids), list[Found]()
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        found += await asyncio.to_thread(_find_all, spool, some, lost)
    return await asyncio.to_thread(_contents, found)


def _find_all(spool: Spool, media_ids: Sequence[str], lost: Collection[str]) -> list[Found]:
    return [_find(spool, media_id, media_id in lost) for media_id in media_ids]


def _find(spool: Spool, media_id: str, is_lost: bool) -> Found:
    try:
        media = status.describe(spool, media_id)
    except MediaGone:
        return media_id, Missing(media_id, "unknown", _UNKNOWN)
    stored, error = media["stored"], media["error"]
    ending = splitext(stored["name"] if stored else media["filename"])[1]
    path = names.path(media.get("ref"), media["filename"] or "upload", ending)
    if media["status"] == Status.STORED and is_lost:
        return path, Missing(media_id, media["status"], _LOST)
    if media["status"] == Status.STORED and stored:
        entry = ZipEntry(path, stored["size"], _stored_at(media_id, stored))
        return path, Image(media_id, stored["sha256"], entry)
    if media["status"] == Status.STORED:
        return path, Missing(media_id, media["status"], _UNSURE.format(media_id))
    return path, Missing(media_id, media["status"], error["detail"] if error else media["next"])


def _contents(found: list[Found]) -> Contents:
    images, lines = [], ["path\tmedia_id\tstatus\treason\n"]
    list_name, *paths = names.told_apart([_LIST, *(path for path, _ in found)])
    for path, (_, media) in zip(paths, found, strict=True):
        if isinstance(media, Image):
            images.append(media._replace(entry=media.entry._replace(name=path)))
        else:
            lines.append(_line(path, media))
    left_out = "".join(lines).encode()
    entry = ZipEntry(list_name, len(left_out), clock.now())
    return Contents(images, len(lines) - 1, left_out, entry)


def _line(path: str, media: Missing) -> str:
    reason = safe_line(" ".join(media.reason.split()))
    return f"{path}\t{media.media_id}\t{media.status}\t{reason}\n"


def _stored_at(media_id: str, stored: dict[str, Any]) -> datetime:
    """Where the record does not say it, when it was received."""
    try:
        return datetime.fromisoformat(stored["stored_at"])
    except (KeyError, ValueError):
        return ULID.from_str(media_id).datetime
