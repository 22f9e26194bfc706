"""Whether there is space for another image, checked before a byte of its body is read."""

import shutil

from shared.contract import MIB
from shared.web.problems import Problem
from shared.web.refusals import DISK_FULL
from storage_api.settings import Settings


def require_free_space(settings: Settings) -> None:
    """Raises Problem where too little is free for the images or the log, and OSError."""
    log = settings.activity_log
    places = (
        (settings.storage_dir, f"STORAGE_DIR={settings.storage_dir}"),
        (log.parent, f"the folder of ACTIVITY_LOG={log}"),
    )
    for folder, place in places:
        if shutil.disk_usage(folder).free < settings.min_free_mb * MIB:
            raise Problem(DISK_FULL, least_mb=settings.min_free_mb, place=place)
