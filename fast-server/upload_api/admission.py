"""What is checked before a byte of an upload's body is read."""

import shutil

from shared.contract import MIB
from shared.web.problems import Problem
from shared.web.refusals import DISK_FULL, DISK_FULL_RETRY_AFTER_S, RETRY_AFTER_S
from upload_api.queues import Queues
from upload_api.refusals import QUEUE_FULL
from upload_api.settings import Settings


async def admit(queues: Queues, settings: Settings) -> None:
    """Raise a Problem where an upload could not be taken whatever it holds."""
    if await queues.depth() >= settings.max_queue_depth:
        detail = f"{settings.max_queue_depth} jobs are waiting, the most MAX_QUEUE_DEPTH allows."
        raise Problem(QUEUE_FULL, detail, RETRY_AFTER_S)
    require_room(settings)


def require_room(settings: Settings) -> None:
    """Raises Problem where too little of the disk is free, and OSError."""
    if shutil.disk_usage(settings.upload_dir).free < settings.min_free_mb * MIB:
        detail = f"Less than {settings.min_free_mb} MB are free (MIN_FREE_MB). Nothing was taken."
        raise Problem(DISK_FULL, detail, DISK_FULL_RETRY_AFTER_S)
