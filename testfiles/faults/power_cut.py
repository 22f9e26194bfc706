"""A power cut, as real as it can be had: an ext4 of its own on a loop device, and a copy of what is
on that device at one moment. What was in memory only is not in the copy.
"""

import os
import shutil
import subprocess
from pathlib import Path


def reason_for_none() -> str:
    """Why power cannot be cut here; empty where it can."""
    if os.geteuid() != 0:
        return "to mount a file system one must be root"
    missing = [tool for tool in ("mkfs.ext4", "mount", "losetup", "cmp") if not shutil.which(tool)]
    if missing:
        return f"there is no {' and no '.join(missing)} here"
    free = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    return "" if free.returncode == 0 else "there is no loop device here"


class Disk:
    """A file system in a file, to be mounted at folder."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder
        folder.mkdir(exist_ok=True)

    @classmethod
    def new(cls, image: Path, folder: Path, size_mb: int) -> "Disk":
        with image.open("wb") as file:
            file.truncate(size_mb * 2**20)
        # No lazy initialisation: it would write to the device all the while.
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        _run("mkfs.ext4", "-q", "-F", "-E", lazy, str(image))
        return cls(image, folder)

    def mount(self) -> None:
        """Mount it, also after a cut: the journal is replayed first."""
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def unmount(self, *, lazily: bool = False) -> None:
        """Unmount it; lazily where files of it are still open."""
        _run("umount", *(["--lazy"] if lazily else []), str(self.folder))

    def copy(self, image: Path) -> None:
        """What is on the device now. Nobody may write to the file system meanwhile.

        The kernel may write on its own; then two copies differ, and it is copied again.
        """
        again = image.with_suffix(".again")
        _run("cp", "--sparse=always", str(self.image), str(image))
        for _ in range(20):
            _run("cp", "--sparse=always", str(self.image), str(again))
            if _run("cmp", "--silent", str(image), str(again), check=False) == 0:
                again.unlink()
                return
            again.replace(image)
        raise RuntimeError("the device is written to again and again")


def _run(*command: str, check: bool = True) -> int:
    return subprocess.run(command, check=check).returncode
