"""What is checked before a byte of an upload's body is read."""

import shutil

from shared.contract import MIB
from shared.web.problems import Problem
from shared.web.refusals import DISK_FULL
from upload_api.queues import Queues
from upload_api.refusals import QUEUE_FULL
from upload_api.settings import Settings


async def admit(queues: Queues, settings: Settings) -> None:
    """Raises Problem and OSError where no upload can be taken now."""
    if await queues.are_full(settings.max_queue_depth):
        raise Problem(QUEUE_FULL, jobs=settings.max_queue_depth)
    if shutil.disk_usage(settings.upload_dir).free < settings.min_free_mb * MIB:
        place = f"UPLOAD_DIR={settings.upload_dir}"
        raise Problem(DISK_FULL, least_mb=settings.min_free_mb, place=place)
