"""Animations assembled shot by shot, in the ways that no library writes, and played naively."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from drawing import animation
from formats.gif import file as gif_file
from formats.png import apng as apng_file
from formats.png import apng_pixels, chunks
from formats.webp import picture as webp_picture
from formats.webp import riff
from support import images

KEEP, CLEAR, RESTORE = 1, 2, 3
SIZE = (120, 90)


@dataclass(frozen=True)
class Shot:
    """A frame: an RGBA picture and its place."""

    picture: Image.Image
    left: int = 0
    top: int = 0
    disposal: int = KEEP
    over: bool = True
    duration_ms: int = 100

    @property
    def box(self) -> tuple[int, int, int, int]:
        right, bottom = self.left + self.picture.width, self.top + self.picture.height
        return self.left, self.top, right, bottom


def shown(size: tuple[int, int], shots: list[Shot]) -> Iterator[Image.Image]:
    """The canvas while each shot is shown, as the specifications say."""
    canvas = Image.new("RGBA", size)
    for shot in shots:
        before = canvas.copy()
        if shot.over:
            layer = Image.new("RGBA", size)
            layer.paste(shot.picture, (shot.left, shot.top))
            canvas = Image.alpha_composite(canvas, layer)
        else:
            canvas.paste(shot.picture, (shot.left, shot.top))
        yield canvas.copy()
        if shot.disposal == CLEAR:
            canvas.paste((0, 0, 0, 0), shot.box)
        elif shot.disposal == RESTORE:
            canvas = before


def any_shots(
    seed: int, alphas: list[int], *, grid: int = 1, over: bool | None = None
) -> list[Shot]:
    """Pictures of any size in any place, with holes."""
    rng = random.Random(seed)
    shots = []
    for _ in range(rng.randint(1, 6)):
        width, height = rng.randint(1, SIZE[0]), rng.randint(1, SIZE[1])
        if rng.random() < 0.4:
            width, height = SIZE
        left = rng.randint(0, SIZE[0] - width) // grid * grid
        top = rng.randint(0, SIZE[1] - height) // grid * grid
        tile = Image.new("P", (8, 6))
        tile.putdata([rng.randrange(16) for _ in range(48)])
        colours = [rng.randrange(256) for _ in range(48)]
        tile.putpalette(colours)
        picture = tile.resize((width, height), Image.Resampling.NEAREST).convert("RGB")
        holes = Image.new("L", (7, 5))
        holes.putdata([rng.choice(alphas) for _ in range(35)])
        picture.putalpha(holes.resize((width, height), Image.Resampling.NEAREST))
        disposal = rng.choice([KEEP, KEEP, CLEAR, CLEAR, RESTORE])
        blends = rng.random() < 0.5 if over is None else over
        shots.append(Shot(picture, left, top, disposal, blends, rng.randrange(0, 50) * 10))
    return shots


def gif(shots: list[Shot], size: tuple[int, int] = SIZE, extensions: bytes = b"") -> bytes:
    """Each shot with colours of its own; index 0 is transparent."""
    parts = [b"GIF89a", struct.pack("<2H3B", *size, 0, 0, 0), extensions]
    for shot in shots:
        indices = shot.picture.convert("RGB").quantize(63, dither=Image.Dither.NONE)
        table = b"\0\0\0" + bytes(indices.getpalette() or []).ljust(189, b"\0")
        indices = indices.point(lambda index: index + 1)
        indices.paste(0, mask=shot.picture.getchannel("A").point(lambda alpha: 255 - alpha))
        control = struct.pack("<BHB", shot.disposal << 2 | 1, shot.duration_ms // 10, 0)
        place = struct.pack("<4HB", shot.left, shot.top, *indices.size, 0x85)
        data = indices.tobytes("gif", "P", 6, 0) + b"\0"
        parts += [b"!\xf9\x04", control, b"\0,", place, table, b"\x06", data]
    return b"".join(parts) + b";"


def apng(shots: list[Shot], size: tuple[int, int] = SIZE, plays: int = 3) -> bytes:
    """The still image is blue, and no frame of the animation."""
    still = Image.new("RGBA", size, (0, 0, 200, 255))
    frames = [apng_file.ApngFrame((0, 0, *size), data=[_deflated(still)])]
    for shot in shots:
        disposal, delay = animation.Disposal(shot.disposal), (shot.duration_ms, 1000)
        data = [_deflated(shot.picture)]
        frames.append(apng_file.ApngFrame(shot.box, disposal, shot.over, delay, data))
    times = struct.pack(">2I", len(shots), plays)
    header = apng_file.Header(*size, 8, 6)
    return chunks.assemble(apng_file.Apng(header, b"", b"", times, frames).chunks())


def webp(shots: list[Shot], size: tuple[int, int] = SIZE, **how: object) -> bytes:
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    parts = [
        riff.Chunk(b"VP8X", bytes([0x12, 0, 0, 0]) + sides),
        riff.Chunk(b"ANIM", bytes([1, 2, 3, 4, 5, 0])),
    ]
    for shot in shots:
        file = images.encode(shot.picture, "WEBP", **{"lossless": True, "exact": True, **how})
        bitstream = [c for c in riff.parsed(file).chunks if c.name in webp_picture.BITSTREAM]
        flags = 2 * (not shot.over) + (shot.disposal == CLEAR)
        frame = animation.Frame(shot.box)
        duration = shot.duration_ms.to_bytes(3, "little")
        parts.append(riff.AnmfFrame(frame, duration, flags, bitstream).to_chunk())
    return riff.assemble(parts)


def gif_shots(content: bytes, path: Path) -> list[Shot]:
    path.write_bytes(content)
    gif = gif_file.read(path)
    shots = []
    for one in gif.frames:
        image = one.indices()
        image.putpalette(one.table or gif.table)
        if one.control.transparent is not None:
            image.info["transparency"] = one.control.transparent
        disposal = max(KEEP, one.control.flags >> 2 & 7)
        duration = int.from_bytes(one.control.delay, "little") * 10
        shots.append(Shot(image.convert("RGBA"), *one.box[:2], disposal, True, duration))
    return shots


def apng_shots(content: bytes) -> list[Shot]:
    apng = apng_file.read(chunks.read(content))
    shots = []
    for one in apng.frames:
        if one.delay:
            picture = apng_pixels.decoded(apng, one).convert("RGBA")
            duration = one.delay[0] * 1000 // one.delay[1]
            disposal = one.disposal.value
            shots.append(Shot(picture, *one.box[:2], disposal, one.blended, duration))
    return shots


def webp_shots(content: bytes) -> list[Shot]:
    shots = []
    for name, data in riff.parsed(content).chunks:
        if name == b"ANMF":
            one = riff.anmf_frame(data)
            left, top, right, bottom = one.frame.box
            picture = webp_picture.decoded(one.chunks, (right - left, bottom - top))
            disposal = CLEAR if one.flags & 1 else KEEP
            duration = int.from_bytes(one.duration, "little")
            over = not one.flags & 2
            shots.append(Shot(picture.convert("RGBA"), left, top, disposal, over, duration))
    return shots


def _deflated(picture: Image.Image) -> bytes:
    return apng_pixels.encoded(picture, 0)


def still_of(content: bytes) -> Image.Image:
    """What a viewer without animations shows."""
    return Image.open(BytesIO(content)).convert("RGBA")
