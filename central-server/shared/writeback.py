"""Having the disk begin with a large file while the rest of it is still on its way.

So the fsync at its end is short: at 50 MB an upload is a tenth to a fifth faster (make bench).
"""

import ctypes

EVERY_BYTES = 4 * 2**20
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_WHOLE = ctypes.c_int64(0)  # from 0, and to the end
_libc = ctypes.CDLL(None)


def start(fd: int) -> None:
    """Of what is written so far, and wait for nothing (sync_file_range(2), of Linux).

    It promises nothing either: an error is for the fsync to tell.
    """
    if hasattr(_libc, "sync_file_range"):
        _libc.sync_file_range(fd, _WHOLE, _WHOLE, _WRITE)
