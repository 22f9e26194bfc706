"""Previews that a gateway wants and workers make: the requests, and what became of each.

The newest request goes first: it is what somebody looks at now. All of it may be lost at any time;
the files of previews lie in the uploads volume.
"""

import json
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from arq.connections import ArqRedis

from shared import clock
from shared.contract import PREVIEWS, is_media_id

_MOST_WANTED = 1000
_WANTED_S = 30  # nobody looks any more at what was not asked for again
_MAKING, _MADE = b"making", b"made"
_MAKING_MS = 3000  # so soon what a dead worker was at can be made by another
NOTE_MAKING_S = 1.0
_MADE_S = 10
_ASK = Path(__file__).with_name("ask_preview.lua").read_text()


class Kind(StrEnum):
    ORIGINAL = "original"
    WATERMARKED = "watermarked"  # as central has stored it


# Sorted sets of wanted previews' keys, by the time of the newest request in seconds. Each kind has
# its own: where central hangs, originals do not wait for it.
WANTED_KEYS = {kind: f"media-processor:previews:{kind}" for kind in Kind}


class Size(IntEnum):
    SMALL = 320
    LARGE = 1600


class Preview(NamedTuple):
    """One of the previews that a media may have. size is that of its longer side."""

    media_id: str
    of: Kind
    size: Size

    @property
    def key(self) -> str:
        return f"{self.media_id}:{self.of}:{self.size}"

    def path(self, uploads: Path) -> Path:
        return uploads / PREVIEWS / self.media_id / f"{self.of}-{self.size}.webp"

    @classmethod
    def of_key(cls, key: bytes) -> "Preview | None":
        """None for another program's."""
        try:
            media_id, of, size = key.decode().split(":")
            return cls(media_id, Kind(of), Size(int(size))) if is_media_id(media_id) else None
        except ValueError:
            return None


class Failure(NamedTuple):
    """Why there is no preview. is_final: the image is at fault, so that it is no use to wait."""

    code: str
    detail: str
    is_final: bool


class State(NamedTuple):
    """Of a preview that was asked for."""

    is_made: bool = False
    failure: Failure | None = None

    @property
    def is_over(self) -> bool:
        return self.is_made or self.failure is not None


async def ask(redis: ArqRedis, preview: Preview) -> Failure | None:
    """Ask the workers for it. Returns why it cannot be shown, if that is known.

    Raises RedisError or OSError.
    """
    script = redis.register_script(_ASK)
    keys = [WANTED_KEYS[preview.of], _state_key(preview)]
    state = await script(keys=keys, args=[preview.key, _MOST_WANTED, _WANTED_S])
    return _decoded(state).failure


async def states(redis: ArqRedis, wanted: Sequence[Preview]) -> list[State]:
    """Of each. Raises RedisError or OSError."""
    return [_decoded(state) for state in await redis.mget([*map(_state_key, wanted)])]


async def take(redis: ArqRedis, of: Kind, wait_s: float) -> Preview | None:
    """The newest of this kind that is wanted, if one comes within wait_s.

    It is this worker's to make. Raises RedisError or OSError.
    """
    popped: Any = await redis.bzpopmax(WANTED_KEYS[of], timeout=wait_s)
    if popped is None:
        return None
    _, key, asked_at = popped
    preview = Preview.of_key(key)
    if preview is None or asked_at < clock.now_s() - _WANTED_S:
        return None
    is_ours = await redis.set(_state_key(preview), _MAKING, px=_MAKING_MS, nx=True)
    return preview if is_ours else None


async def note_making(redis: ArqRedis, preview: Preview) -> None:
    """To be called every NOTE_MAKING_S while it is made. Raises RedisError or OSError."""
    await redis.set(_state_key(preview), _MAKING, px=_MAKING_MS)


async def note_made(redis: ArqRedis, preview: Preview) -> None:
    """Raises RedisError or OSError."""
    await redis.set(_state_key(preview), _MADE, ex=_MADE_S)


async def note_failure(redis: ArqRedis, preview: Preview, failure: Failure, kept_s: float) -> None:
    """Raises RedisError or OSError."""
    body = json.dumps(failure._asdict())
    await redis.set(_state_key(preview), body, px=int(kept_s * 1000))


def _state_key(preview: Preview) -> str:
    return f"media-processor:preview:{preview.key}"


def _decoded(state: bytes | None) -> State:
    """What another program put there counts as nothing."""
    if state in (None, _MAKING):
        return State()
    if state == _MADE:
        return State(is_made=True)
    try:
        read: Any = json.loads(state or b"")
        code, detail, is_final = (read[field] for field in Failure._fields)
    except (LookupError, TypeError, ValueError, RecursionError):
        return State()
    return State(failure=Failure(str(code), str(detail), is_final is True))
