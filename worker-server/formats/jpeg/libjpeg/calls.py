"""Calling libjpeg, whose errors must not return into it.

In C a program jumps out with longjmp (libjpeg.txt, "Error handling"), which Python cannot. Here a
function that may fail runs in a thread of its own, and an error ends that thread.
"""

from collections.abc import Callable
from typing import Any

from formats.jpeg.libjpeg.declarations import ffi, lib, libc

Call = Callable[[Any, Any], Any]  # of a function of libjpeg's, and its cinfo

_FEW_BLOCKS = 10_000  # of 128 bytes
_NO_MEMORY = "Insufficient memory"
_NO_MESSAGE = -1


class JpegError(ValueError):
    """libjpeg cannot go on, and says why."""


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
    # An error leaves both; what a function without a result leaves may be anything.
    if value[0] == ffi.cast("void *", cinfo) and cinfo.err.msg_code != _NO_MESSAGE:
        sentence = ffi.new("char[]", 200)
        cinfo.err.format_message(cinfo, sentence)
        text = ffi.string(sentence).decode(errors="replace")
        raise MemoryError if text.startswith(_NO_MEMORY) else JpegError(f"libjpeg: {text}")
    return value[0]


def call_for(blocks: int) -> Call:
    """How to call a function on so many blocks that were made here, so that only memory may fail.

    A thread would take longer than a few of them. An error then ends the process, which is what
    libjpeg does by itself, and the image is tried again in another one.
    """
    return guarded if blocks > _FEW_BLOCKS else lambda function, cinfo: function(cinfo)


def error_manager(*, strict: bool = False) -> Any:
    """Strict: a warning, which is of damage that viewers overlook, is an error."""
    manager = ffi.new("struct jpeg_error_mgr *")
    lib.jpeg_std_error(manager)
    # libjpeg has the first warning, and nothing else, put out; else all of them go nowhere.
    if strict:
        manager.output_message = ffi.cast("void *", libc.pthread_exit)
    else:
        manager.emit_message = ffi.cast("void *", libc.getpid)
    return manager
