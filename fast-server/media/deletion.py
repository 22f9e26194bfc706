"""Deleting a media: first from central, then from the uploads volume."""

from contextlib import ExitStack
from functools import partial
from http import HTTPStatus

from ingest.idempotency_store import Claims
from shared import durable
from shared.background import in_thread
from shared.central_client import CentralClient, NoAnswer
from shared.contract import DONE, FAILED, INCOMING
from shared.spool import HeldMedia, MediaGone, Spool
from shared.web.problems import Problem
from upload_api.refusals import CENTRAL_UNREACHABLE, NOT_FINISHED

_CENTRAL_ANSWER_S = 10.0


async def delete(media_id: str, spool: Spool, claims: Claims, central: CentralClient) -> None:
    """Remove the media at central, then here. It is locked meanwhile, so that nobody reruns it.

    Raises MediaGone where neither has it, MediaBusy, OSError and Problem.
    """
    with ExitStack() as held:
        try:
            media = await in_thread(partial(held.enter_context, spool.hold(media_id)))
        except MediaGone:  # KEEP_ORIGINALS_DAYS is over
            if not await _delete_at_central(media_id, central):
                raise
            await in_thread(partial(claims.free_key_of, media_id))
            return
        _require_finished(media)
        await _delete_at_central(media_id, central)
        await in_thread(partial(_delete_here, media, spool, claims))


async def _delete_at_central(media_id: str, central: CentralClient) -> bool:
    """Remove it there. Returns whether central had it.

    Raises Problem where central gives no clear answer.
    """
    path = f"media/{media_id}"
    try:
        answer = await central.ask("DELETE", path, _CENTRAL_ANSWER_S)
    except NoAnswer as error:
        raise _unreachable(central.address(path), str(error)) from error
    is_unknown = answer.own_code == "media_not_found"  # another 404 is not from central
    if answer.status != HTTPStatus.NO_CONTENT and not is_unknown:
        raise _unreachable(central.address(path), f"answered {answer.status}")
    return not is_unknown


def _unreachable(url: str, reason: str) -> Problem:
    return Problem(CENTRAL_UNREACHABLE, url=url, reason=reason)


def _require_finished(media: HeldMedia) -> None:
    if media.state not in (FAILED, DONE):
        raise Problem(NOT_FINISHED, media_id=media.path.name, status=media.progress["status"])


def _delete_here(media: HeldMedia, spool: Spool, claims: Claims) -> None:
    """Free the key, then remove the media: after a crash it is either whole or gone."""
    if key := media.record.get("idempotency_key"):
        claims.free(key, media.path.name)
    elif media.is_damaged:
        claims.free_key_of(media.path.name)
    old_folder = media.path.parent
    media.remove()
    durable.fsync_dir(spool.root / INCOMING)
    durable.fsync_dir(old_folder)
