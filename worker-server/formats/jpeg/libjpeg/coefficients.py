"""A JPEG's DCT coefficients: read, changed and written by the libjpeg that comes with Pillow.

Pillow itself offers only pixels: to decode and encode them changes the image, and takes twice the
time. See libjpeg.txt, "Really raw data: DCT coefficients".
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import zigzag_index

from formats.jpeg.libjpeg.calls import Call, JpegError, call_for, error_manager, guarded
from formats.jpeg.libjpeg.compressor import (
    OutputComponent,
    compressor,
    copy_huffman_tables,
    describe,
    huffman_table,
)
from formats.jpeg.libjpeg.declarations import VERSION, ffi, lib
from formats.jpeg.libjpeg.huffman import AC_SYMBOLS, DC_SYMBOLS, END_OF_BLOCK, Table

BLOCK = 8  # pixels a side
_COEFFICIENTS = BLOCK * BLOCK
_BLOCK_BYTES = 2 * _COEFFICIENTS
_HIGH_BYTE = 1 if sys.byteorder == "little" else 0
_OF_8_BITS = bytes([0, 1, 2, 3, 0xFC, 0xFD, 0xFE, 0xFF])  # the high bytes of -1024 to 1023
_ZIGZAG = sorted(range(_COEFFICIENTS), key=zigzag_index.__getitem__)
_POOL_IMAGE = 1
_REACHED_SOS = 1
_MOST_BLOCKS = 10  # in an MCU
_SMALL = 25_000  # bytes: tables with all codes are 2% of it

BlockBox = tuple[int, int, int, int]  # left, top, right, bottom; in blocks of one component


class Coefficients(AbstractContextManager["Coefficients"]):
    """All coefficients of a JPEG, in memory: 2 bytes for each sample. A context manager."""

    def __init__(self, stream: bytes, call: Call = guarded, *, strict: bool = False) -> None:
        """Strict: libjpeg must not warn. Raises JpegError, and MemoryError."""
        self._stream = stream
        self._call = call
        self._source = ffi.from_buffer(stream)
        self._errors = error_manager(strict=strict)
        self._cinfo = ffi.new("struct jpeg_decompress_struct *", {"err": self._errors})
        lib.jpeg_CreateDecompress(self._cinfo, VERSION, ffi.sizeof(self._cinfo[0]))
        try:
            self._arrays = self._read()
            self._components = self._described()
            if strict and not self.has_every_scan:
                raise JpegError("Scans that would make it sharper are missing")
            if strict and self.has_drifted:
                raise JpegError("Its brightness is out of range")
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        lib.jpeg_destroy(self._cinfo)

    def quantisation(self, component: int) -> list[int]:
        """The component's table, in natural order."""
        return list(self._components[component].table.quantval)

    @property
    def has_every_scan(self) -> bool:
        """Whether each coefficient of a progressive JPEG is known to its last bit."""
        cinfo = self._cinfo
        if not cinfo.coef_bits:
            return True
        return not any(any(missing) for missing in cinfo.coef_bits[0 : cinfo.num_components])

    @property
    def has_every_code(self) -> bool:
        """Whether its Huffman tables can encode any block; optimised ones often cannot."""
        return all(
            dc and ac and dc.has_codes(DC_SYMBOLS) and ac.has_codes(AC_SYMBOLS)
            for dc, ac in self._tables()
        )

    @property
    def has_drifted(self) -> bool:
        """Whether a DC coefficient is beyond the range of 8-bit samples, as may be after damage.

        A Huffman table may have no code for its difference to the next one.
        """
        for number, one in enumerate(self._cinfo.comp_info[0 : len(self._components)]):
            for row in self._rows([(number, (0, 0, one.width_in_blocks, one.height_in_blocks))]):
                blocks = memoryview(ffi.buffer(row, one.width_in_blocks * _BLOCK_BYTES))
                if blocks[_HIGH_BYTE::_BLOCK_BYTES].tobytes().translate(None, _OF_8_BITS):
                    return True
        return False

    @property
    def last_code(self) -> str | None:
        """The bits that end a sequential scan of all components; None where a code is missing.

        They are the code for the end of the block, or the last coefficient (T.81 F.1.2.2).
        """
        number = len(self._components) - 1
        one = self._cinfo.comp_info[number]
        block = self._row(number, one.height_in_blocks - 1)[one.width_in_blocks - 1]
        *others, last = [block[place] for place in _ZIGZAG[1:]]
        _, table = self._tables()[number]
        if table is None:
            return None
        if last == 0:
            return table.code(END_OF_BLOCK)
        zeros = next((n for n, other in enumerate(reversed(others)) if other), len(others))
        size = abs(last).bit_length()
        code = table.code(zeros % 16 << 4 | size)
        return code and f"{code}{last if last > 0 else last + (1 << size) - 1:0{size}b}"

    def cut(self, parts: Sequence[tuple[int, BlockBox]]) -> bytes:
        """A grey JPEG of these blocks of components, one part below the other.

        The parts have the same size and quantisation. Raises MemoryError.
        """
        (component, (left, top, right, bottom)), *_ = parts
        across, down = right - left, (bottom - top) * len(parts)
        call = call_for(across * down)
        with compressor(call) as (cinfo, finish):
            array = cinfo.mem.request_virt_barray(cinfo, _POOL_IMAGE, 1, across, down, 1)
            call(cinfo.mem.realize_virt_arrays, cinfo)
            for row, source in enumerate(self._rows(parts)):
                ffi.memmove(_row(cinfo, array, row), source, across * _BLOCK_BYTES)
            grey = OutputComponent(1, 1, 1, self._components[component].table, 0, 0, 0)
            describe(cinfo, (BLOCK * across, BLOCK * down), [grey])
            arrays = ffi.new("void *[]", [array])  # libjpeg keeps it
            lib.jpeg_write_coefficients(cinfo, arrays)
            return finish()

    def put(self, parts: Sequence[tuple[int, BlockBox]], grey: bytes, changed: Image.Image) -> None:
        """Replace these blocks by those of a grey JPEG like the one from cut.

        changed is an L image with a pixel for each block; where it is 0 the block is kept. Raises
        MemoryError.
        """
        across, marks = changed.width, changed.tobytes()
        with Coefficients(grey, call_for(len(marks))) as others:
            for row, target in enumerate(self._rows(parts)):
                source = others._row(0, row)
                for run in re.finditer(rb"[^\0]+", marks[row * across : (row + 1) * across]):
                    size = (run.end() - run.start()) * _BLOCK_BYTES
                    ffi.memmove(target + run.start(), source + run.start(), size)

    def encoded(self, *, progressive: bool, interleaved: bool) -> bytes:
        """The JPEG without metadata.

        Not interleaved: each component in a scan of its own. Raises JpegError, and MemoryError.
        """
        source, components = self._cinfo, self._components
        with compressor(self._call, len(self._stream)) as (cinfo, finish):
            describe(cinfo, (source.image_width, source.image_height), components)
            cinfo.jpeg_color_space = source.jpeg_color_space
            cinfo.restart_interval = source.restart_interval
            # Optimising the tables takes three quarters of the time: the source's are used if they
            # serve. After several scans only the last scans' tables are known.
            small = len(self._stream) < _SMALL and not self.has_every_code
            tables_serve = copy_huffman_tables(cinfo, source, components) and interleaved
            cinfo.optimize_coding = small or not tables_serve
            blocks = sum(each.across * each.down for each in components)
            if len(components) > 1 and (not interleaved or blocks > _MOST_BLOCKS):
                scans = [(1, [n], 0, _COEFFICIENTS - 1, 0, 0) for n in range(len(components))]
                cinfo.scan_info = script = ffi.new("jpeg_scan_info[]", scans)
                cinfo.num_scans = len(script)
            elif progressive:
                lib.jpeg_simple_progression(cinfo)
            lib.jpeg_write_coefficients(cinfo, self._arrays)
            return finish()

    def _read(self) -> Any:
        cinfo = self._cinfo
        lib.jpeg_mem_src(cinfo, self._source, len(self._stream))
        if int(ffi.cast("int", self._call(lib.jpeg_consume_input, cinfo))) != _REACHED_SOS:
            raise JpegError("There is no picture in it")
        return ffi.cast("void **", self._call(lib.jpeg_read_coefficients, cinfo))

    def _described(self) -> list[OutputComponent]:
        """A table that replaced another of its number, between two scans, gets another number."""
        tables: dict[int, bytes] = {}
        components = []
        for one in self._cinfo.comp_info[0 : self._cinfo.num_components]:
            if not one.quant_table:
                raise JpegError("A component has no scan")
            content = bytes(ffi.buffer(one.quant_table.quantval))
            number = one.quant_tbl_no
            if tables.setdefault(number, content) != content:
                number = next(n for n in range(4) if tables.setdefault(n, content) == content)
            components.append(
                OutputComponent(
                    one.component_id,
                    one.h_samp_factor,
                    one.v_samp_factor,
                    one.quant_table,
                    number,
                    min(one.dc_tbl_no, 3),  # a larger number is never used
                    min(one.ac_tbl_no, 3),
                )
            )
        return components

    def _tables(self) -> list[tuple[Table | None, Table | None]]:
        """Each component's Huffman tables, for DC and AC."""
        cinfo = self._cinfo
        return [
            (
                huffman_table(cinfo.dc_huff_tbl_ptrs[one.dc_table]),
                huffman_table(cinfo.ac_huff_tbl_ptrs[one.ac_table]),
            )
            for one in self._components
        ]

    def _row(self, component: int, row: int) -> Any:
        return _row(self._cinfo, self._arrays[component], row)

    def _rows(self, parts: Sequence[tuple[int, BlockBox]]) -> Iterator[Any]:
        """A pointer to the first block of each row of these parts."""
        for component, (left, top, _, bottom) in parts:
            for row in range(top, bottom):
                yield self._row(component, row) + left


def _row(cinfo: Any, array: Any, row: int) -> Any:
    return cinfo.mem.access_virt_barray(cinfo, array, row, 1, 1)[0]
