"""Subsampled YCbCr, as TIFF packs it (TIFF 6.0 section 21).

A data unit is the Y of its pixels, row by row, then one Cb and one Cr.
"""

from PIL import Image

from formats.tiff.codec.layout import Layout


def unpacked(units: bytearray, layout: Layout, rows: int) -> bytes:
    """Y, Cb and Cr of each pixel."""
    across, down = layout.unit
    size = across * down + 2
    columns, lines = -(-layout.width // across), -(-rows // down)
    luma = bytearray(columns * across * lines * down)
    for y in range(down):
        for x in range(across):
            values = units[y * across + x :: size]
            for line in range(lines):
                start = (line * down + y) * columns * across + x
                part = values[line * columns : (line + 1) * columns]
                luma[start : start + columns * across : across] = part
    full = columns * across, lines * down
    planes = [Image.frombytes("L", full, bytes(luma))]
    for offset in (size - 2, size - 1):
        plane = Image.frombytes("L", (columns, lines), units[offset::size])
        planes.append(plane.resize(full, Image.Resampling.NEAREST))
    return Image.merge("YCbCr", planes).crop((0, 0, layout.width, rows)).tobytes()


def packed(samples: bytearray, layout: Layout, rows: int) -> bytearray:
    """The data units again; Cb and Cr are the means of their pixels."""
    across, down = layout.unit
    size = across * down + 2
    columns, lines = -(-layout.width // across), -(-rows // down)
    pixels = Image.frombytes("YCbCr", (layout.width, rows), samples)
    full = Image.new("YCbCr", (columns * across, lines * down))
    for right, bottom in ((1, 1), (1, 0), (0, 1), (0, 0)):  # repeats the edges
        full.paste(pixels, (right * (full.width - layout.width), bottom * (full.height - rows)))
    luma, *chroma = full.split()
    units = bytearray(columns * lines * size)
    values = luma.tobytes()
    for y in range(down):
        for x in range(across):
            part = b"".join(
                values[start + x : start + columns * across : across]
                for line in range(lines)
                for start in [(line * down + y) * columns * across]
            )
            units[y * across + x :: size] = part
    for offset, plane in zip((size - 2, size - 1), chroma, strict=True):
        units[offset::size] = plane.reduce((across, down)).tobytes()
    return units
