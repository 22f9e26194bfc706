"""What a child process keeps of its memory from one image to the next: fresh pages are a third of a
photo's time, and what a large image leaves in the heap would stay there for good.

Of glibc (mallopt(3), malloc_trim(3)) and Pillow ("Block allocator"); another libc has it its way.
"""

import ctypes
import resource
from pathlib import Path

ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20),
    "PILLOW_BLOCK_SIZE": "1m",
    "PILLOW_BLOCKS_MAX": "32",
}
_MOST_KEPT = 160 * 2**20  # bytes: twice what the libraries and a photo need
_RESIDENT = 1  # proc_pid_statm(5), in pages
_libc = ctypes.CDLL(None)


def give_back() -> None:
    """Between two images: the free pages, where there are many."""
    if hasattr(_libc, "malloc_trim"):
        pages = int(Path("/proc/self/statm").read_text().split()[_RESIDENT])
        if pages * resource.getpagesize() > _MOST_KEPT:
            _libc.malloc_trim(0)
