"""Calls of libjpeg, whose error handler must not return.

A C program leaves it with longjmp (libjpeg.txt, "Error handling"), which Python cannot do. So a
function that may fail runs in a thread of its own, and an error ends that thread.
"""

from collections.abc import Callable
from typing import Any

from formats.jpeg.libjpeg.declarations import ffi, lib, libc

Call = Callable[[Any, Any], Any]  # its arguments: a function of libjpeg, and its cinfo

_FEW_BLOCKS = 10_000  # of 128 bytes
_NO_MEMORY = "Insufficient memory"
_NO_MESSAGE = -1


class JpegError(ValueError):
    """libjpeg's error message."""


def guarded(function: Any, cinfo: Any) -> Any:
    """What function(cinfo) returns. Raises JpegError, and MemoryError."""
    thread, value = ffi.new("pthread_t *"), ffi.new("void **")
    ends_process = cinfo.err.error_exit
    cinfo.err.error_exit = ffi.cast("void *", libc.pthread_exit)
    cinfo.err.msg_code = _NO_MESSAGE
    if libc.pthread_create(thread, ffi.NULL, ffi.cast("void *", function), cinfo):
        raise MemoryError
    libc.pthread_join(thread[0], value)
    cinfo.err.error_exit = ends_process
    # Both are so after an error. The value alone may be anything after a function without a result.
    if value[0] == ffi.cast("void *", cinfo) and cinfo.err.msg_code != _NO_MESSAGE:
        sentence = ffi.new("char[]", 200)
        cinfo.err.format_message(cinfo, sentence)
        text = ffi.string(sentence).decode(errors="replace")
        raise MemoryError if text.startswith(_NO_MEMORY) else JpegError(f"libjpeg: {text}")
    return value[0]


def call_for(blocks: int) -> Call:
    """How to call a function on this number of blocks that were made here.

    It fails only where memory runs out. Few blocks need no thread, with which a small image takes
    15% longer: an error then ends the process, and the image is tried again.
    """
    return guarded if blocks > _FEW_BLOCKS else lambda function, cinfo: function(cinfo)


def error_manager(*, strict: bool = False) -> Any:
    """Strict: a warning, of damage that viewers ignore, is an error."""
    manager = ffi.new("struct jpeg_error_mgr *")
    lib.jpeg_std_error(manager)
    # libjpeg outputs the first warning, and nothing else. Not strict: no warning goes anywhere.
    if strict:
        manager.output_message = ffi.cast("void *", libc.pthread_exit)
    else:
        manager.emit_message = ffi.cast("void *", libc.getpid)
    return manager
