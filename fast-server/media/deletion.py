"""A media removed everywhere: from central first, then from the uploads volume."""

import shutil
from contextlib import ExitStack
from functools import partial

from ingest.idempotency_store import Claims
from media.central_client import Central
from shared import durable
from shared.background import in_thread
from shared.contract import DONE, FAILED, INCOMING
from shared.spool import HeldMedia, MediaGone, Spool
from shared.web.problems import Problem
from upload_api.refusals import NOT_FINISHED


async def remove(media_id: str, spool: Spool, claims: Claims, central: Central) -> None:
    """Raises MediaGone where neither has it, MediaBusy, OSError, and Problem.

    Its lock is held all the while: nobody retries what is being removed.
    """
    with ExitStack() as held:
        try:
            media = await in_thread(partial(held.enter_context, spool.hold(media_id)))
        except MediaGone:  # its original was kept long enough
            if not await central.remove(media_id):
                raise
            await in_thread(partial(claims.free_key_of, media_id))
            return
        _require_finished(media)
        await central.remove(media_id)
        await in_thread(partial(_remove, media, spool, claims))


def _require_finished(media: HeldMedia) -> None:
    if media.state not in (FAILED, DONE):
        detail = f"Media {media.path.name} is {media.progress['status']}. It can be removed once "
        detail += "it is stored or has failed."
        raise Problem(NOT_FINISHED, detail)


def _remove(media: HeldMedia, spool: Spool, claims: Claims) -> None:
    """The key first, then the media with one rename: cut short, it is whole or nowhere.

    What is left in incoming/ then, the reconciler sweeps.
    """
    if key := media.record.get("idempotency_key"):
        claims.free(key, media.path.name)
    elif media.is_damaged:
        claims.free_key_of(media.path.name)
    state = media.path.parent
    media.move(INCOMING)
    durable.fsync_dir(spool.root / INCOMING)
    durable.fsync_dir(state)
    shutil.rmtree(media.path, ignore_errors=True)
