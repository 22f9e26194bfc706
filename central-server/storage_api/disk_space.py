"""Whether there is room for another image, looked at before a byte of its body is read."""

import shutil

from shared.contract import MIB
from shared.web.problems import Problem
from shared.web.refusals import DISK_FULL, DISK_FULL_RETRY_AFTER_S
from storage_api.settings import Settings


def admit(settings: Settings) -> None:
    """Raises Problem where there is too little, OSError where the disk cannot say."""
    if sentence := shortage(settings):
        raise Problem(DISK_FULL, sentence, DISK_FULL_RETRY_AFTER_S)


def shortage(settings: Settings) -> str | None:
    """Which file system has too little room, as a sentence; None where both have enough.

    Raises OSError.
    """
    log = settings.activity_log
    places = (
        (settings.storage_dir, f"STORAGE_DIR={settings.storage_dir}"),
        (log.parent, f"the folder of ACTIVITY_LOG={log}"),
    )
    for folder, place in places:
        if shutil.disk_usage(folder).free < settings.min_free_mb * MIB:
            return f"Less than {settings.min_free_mb} MB (MIN_FREE_MB) are free in {place}."
    return None
