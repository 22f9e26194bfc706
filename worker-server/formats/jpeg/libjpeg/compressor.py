"""libjpeg's compressor: what it writes, and with which tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from formats.jpeg.libjpeg.calls import Call, error_manager
from formats.jpeg.libjpeg.declarations import VERSION, ffi, lib, libc
from formats.jpeg.libjpeg.huffman import AC_SYMBOLS, DRIFTED_DC_SYMBOLS, Table

_SPARE_BYTES = 64 * 1024


class OutputComponent(NamedTuple):
    identifier: int
    across: int  # sampling factors
    down: int
    table: Any  # JQUANT_TBL
    table_number: int
    dc_table: int
    ac_table: int


@contextmanager
def compressor(call: Call, expected_bytes: int = 0) -> Iterator[tuple[Any, Callable[[], bytes]]]:
    """Its cinfo, and a function that returns the JPEG once jpeg_write_coefficients was called."""
    errors = error_manager()
    cinfo = ffi.new("struct jpeg_compress_struct *", {"err": errors})
    lib.jpeg_CreateCompress(cinfo, VERSION, ffi.sizeof(cinfo[0]))
    capacity = expected_bytes + _SPARE_BYTES
    own = ffi.new("char[]", capacity)
    buffer, size = ffi.new("char **", own), ffi.new("unsigned long *", capacity)

    def finish() -> bytes:
        call(lib.jpeg_finish_compress, cinfo)
        stream = bytes(ffi.buffer(buffer[0], size[0]))
        if buffer[0] != own:  # it was too small, so that libjpeg allocated another
            libc.free(buffer[0])
        return stream

    try:
        lib.jpeg_mem_dest(cinfo, buffer, size)
        yield cinfo, finish
    finally:
        lib.jpeg_destroy(cinfo)


def describe(cinfo: Any, size: tuple[int, int], components: Sequence[OutputComponent]) -> None:
    """Set size, components and quantisation: jpeg_copy_critical_parameters may fail."""
    cinfo.image_width, cinfo.image_height = size
    cinfo.input_components = len(components)  # of an unknown colour space
    lib.jpeg_set_defaults(cinfo)
    cinfo.write_JFIF_header = cinfo.write_Adobe_marker = False
    for target, source in zip(cinfo.comp_info[0 : len(components)], components, strict=True):
        target.component_id = source.identifier
        target.h_samp_factor, target.v_samp_factor = source.across, source.down
        target.quant_tbl_no = source.table_number
        target.dc_tbl_no, target.ac_tbl_no = source.dc_table, source.ac_table
        if not cinfo.quant_tbl_ptrs[source.table_number]:
            cinfo.quant_tbl_ptrs[source.table_number] = lib.jpeg_alloc_quant_table(cinfo)
        table = cinfo.quant_tbl_ptrs[source.table_number]
        ffi.memmove(table.quantval, source.table.quantval, ffi.sizeof(table.quantval))
        table.sent_table = False


def copy_huffman_tables(cinfo: Any, source: Any, components: Sequence[OutputComponent]) -> bool:
    """Copy the components' tables with a code for every symbol: libjpeg omits symbols without one.

    Returns False where a table cannot have them.
    """
    for one in components:
        for sources, targets, number, symbols in (
            (source.dc_huff_tbl_ptrs, cinfo.dc_huff_tbl_ptrs, one.dc_table, DRIFTED_DC_SYMBOLS),
            (source.ac_huff_tbl_ptrs, cinfo.ac_huff_tbl_ptrs, one.ac_table, AC_SYMBOLS),
        ):
            table = huffman_table(sources[number])
            completed = table and table.with_codes(symbols)
            if not completed:
                return False
            target = targets[number] = targets[number] or lib.jpeg_alloc_huff_table(cinfo)
            ffi.memmove(target.bits, completed.counts, len(completed.counts))
            ffi.memmove(target.huffval, completed.symbols, len(completed.symbols))
            target.sent_table = False
    return True


def huffman_table(pointer: Any) -> Table | None:
    """A JHUFF_TBL, where there is one."""
    if not pointer:
        return None
    counts = bytes(ffi.buffer(pointer.bits))
    return Table(counts, ffi.buffer(pointer.huffval)[0 : sum(counts)])
