"""TIFFs of samples that Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from array import array
from typing import Any

from support.images import Size

_DEFLATE, _NONE = 8, 1


def rare_tiff(
    size: Size, pixels: array[Any], channels: int, kind: int, *, planar: bool, packed: bool
) -> bytes:
    """One strip, or one for each channel. kind is its SampleFormat."""
    width, height = size
    parts = [pixels[number::channels] for number in range(channels)] if planar else [pixels]
    strips = [zlib.compress(part.tobytes()) if packed else part.tobytes() for part in parts]
    bits = [8 * pixels.itemsize] * channels
    values = {
        256: [width], 257: [height], 258: bits, 259: [_DEFLATE if packed else _NONE], 262: [2],
        273: [0] * len(strips), 277: [channels], 278: [height], 279: [len(s) for s in strips],
        284: [2 if planar else 1], 338: [2, 0, 0][: channels - 3], 339: [kind] * channels,
    }  # fmt: skip
    values = {tag: numbers for tag, numbers in values.items() if numbers}
    at = 8 + 2 + 12 * len(values) + 4
    outside = {tag: 4 * len(numbers) for tag, numbers in values.items() if len(numbers) > 1}
    places = {}
    for tag, length in outside.items():
        places[tag], at = at, at + length
    for number, strip in enumerate(strips):
        values[273][number], at = at, at + len(strip)
    directory = b"".join(
        struct.pack("<HHII", tag, 4, len(numbers), places.get(tag, numbers[0]))
        for tag, numbers in values.items()
    )
    lists = b"".join(struct.pack(f"<{len(values[tag])}I", *values[tag]) for tag in places)
    head = b"II*\0" + struct.pack("<IH", 8, len(values)) + directory + bytes(4)
    return head + lists + b"".join(strips)
