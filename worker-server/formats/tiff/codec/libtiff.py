"""Files of one page that libtiff, by way of Pillow, turns strips into bytes with, and back."""

import struct
from io import BytesIO
from typing import NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_ROWS = 256
_SHORTS = {258, 259, 262, 277, 284, 317, 338, 339}
_T4_OPTIONS, _T6_OPTIONS, _GROUP_4 = 292, 293, 4


class Shape(NamedTuple):
    width: int
    bits: int  # 1 or 8
    height: int  # of a strip
    compression: int
    fax_options: int = 0

    @property
    def fax(self) -> dict[int, int]:
        tag = _T6_OPTIONS if self.compression == _GROUP_4 else _T4_OPTIONS
        return {tag: self.fax_options} if self.fax_options else {}


def decoded(coded: list[bytes], shape: Shape, rows: int) -> bytearray:
    tags = {258: shape.bits, 259: shape.compression, 262: 1, 277: 1, **shape.fax}
    content = file("<", (shape.width, rows), tags, coded, shape.height)
    with Image.open(BytesIO(content), formats=["TIFF"]) as image:
        return pixels(image)


def pixels(image: Image.Image) -> bytearray:
    """What tobytes gives, without having it all twice for a while."""
    row = len(image.crop((0, 0, image.width, 1)).tobytes())
    samples = bytearray(row * image.height)
    for top in range(0, image.height, _ROWS):
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes()
        samples[top * row : top * row + len(part)] = part
    return samples


def encoded(packed: bytes | bytearray, shape: Shape, rows: int, compression: str) -> list[bytes]:
    """compression is Pillow's name for it."""
    mode = "1" if shape.bits == 1 else "L"
    image = Image.frombytes(mode, (shape.width, rows), packed)
    written = BytesIO()
    info = {278: shape.height, **shape.fax}
    image.save(written, "TIFF", compression=compression, tiffinfo=info)
    return strips(written.getvalue())


def strips(content: bytes) -> list[bytes]:
    file, tags = BytesIO(content), ImageFileDirectory_v2(content[:8])
    file.seek(tags.next)
    tags.load(file)  # alone: Pillow opens no image of rare samples
    places = zip(tags[273], tags[279], strict=True)
    return [content[start : start + size] for start, size in places]


def file(
    order: str, size: tuple[int, int], tags: dict[int, int], coded: list[bytes], height: int
) -> bytes:
    """A TIFF of these strips; height is that of all but the last.

    Of tags that tell something of each sample, all values are the same.
    """
    samples = tags[277]
    counts = {258: samples, 339: samples, 338: samples - 1}
    values = {tag: (value,) * counts.get(tag, 1) for tag, value in tags.items()}
    starts = [8]
    for strip in coded:
        starts.append(starts[-1] + len(strip))
    directory = starts.pop()
    values |= {256: (size[0],), 257: (size[1],), 278: (height,)}
    values |= {273: tuple(starts), 279: tuple(map(len, coded))}
    values = {tag: value for tag, value in values.items() if value}
    outside = directory + 2 + 12 * len(values) + 4
    entries, after = [], b""
    for tag, value in sorted(values.items()):
        code, kind = ("H", 3) if tag in _SHORTS else ("I", 4)
        content = struct.pack(f"{order}{len(value)}{code}", *value)
        if len(content) > 4:
            content, after = struct.pack(order + "I", outside + len(after)), after + content
        entries.append(struct.pack(order + "HHI", tag, kind, len(value)) + content.ljust(4, b"\0"))
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "2sHI", mark, 42, directory)
    number = struct.pack(order + "H", len(values))
    return b"".join([head, *coded, number, *entries, bytes(4), after])
