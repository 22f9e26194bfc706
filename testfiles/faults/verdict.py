"""Compares what was acknowledged with what is stored: is anything lost, duplicated or torn?

An image whose acknowledgement was lost may be stored all the same, but then whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from faults.answers import Answer
from faults.evidence import Evidence, picture, record, sha256
from faults.uploads import Upload

LOST, DUPLICATED, TORN, REFUSED = "lost", "duplicated", "torn", "refused"


@dataclass(frozen=True)
class Wrong:
    """One thing that must not be."""

    kind: str
    which: str  # a media id, or a name where no media is known
    what: str


def verdict(
    found: Evidence, uploads: Iterable[Upload], answers: Mapping[str, Answer]
) -> list[Wrong]:
    """Everything that is wrong. answers are about every acknowledged media."""
    uploads = list(uploads)
    acknowledged = {media_id: upload for upload in uploads for media_id in upload.media_ids}
    wrong = [*_leftovers(found), *_keys(found, uploads)]
    wrong += [Wrong(REFUSED, u.filename, u.refusal) for u in uploads if u.refusal]
    for media_id in sorted({*acknowledged, *found.states, *found.receipts}):
        wrong += _media(found, media_id, acknowledged.get(media_id))
    for media_id, answer in answers.items():
        wrong += _answer(found, media_id, answer)
    return wrong


def _leftovers(found: Evidence) -> Iterator[Wrong]:
    """Each file has one receipt and one line in the log, and the other way round."""
    names = [receipt.get("name", "") for receipt in found.receipts.values()]
    for name in sorted(found.stored_names - {*names}):
        yield Wrong(DUPLICATED, name, "a stored file without a receipt")
    for name in sorted(found.lines.keys() - {*names}):
        yield Wrong(DUPLICATED, name, "a line in the log without a receipt")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Wrong(DUPLICATED, name, "one file for several media")
    for line in found.torn_lines:
        yield Wrong(TORN, line[:80], "is no line of the log")
    for path in found.left_behind:
        yield Wrong(TORN, path, "central began it and did not end it")


def _keys(found: Evidence, uploads: Iterable[Upload]) -> Iterator[Wrong]:
    """A key has one media. Images of a run differ, so equal content came from one upload."""
    for upload in uploads:
        media_ids = {*found.media_by_content.get(upload.sha256, ()), *upload.media_ids}
        if upload.key and len(media_ids) > 1:
            text = f"is a key of {len(media_ids)} media: {', '.join(sorted(media_ids))}"
            yield Wrong(DUPLICATED, upload.key, text)


def _media(found: Evidence, media_id: str, upload: Upload | None) -> Iterator[Wrong]:
    gone = LOST if upload else TORN
    states = found.states.get(media_id, [])
    if len(states) > 1:
        yield Wrong(DUPLICATED, media_id, f"lies in {' and '.join(states)}")
    elif not states:
        where = "only in incoming/" if media_id in found.unfinished else "nowhere in uploads/"
        yield Wrong(gone, media_id, f"its original lies {where}")
    elif states != ["done"]:
        progress = record(found.uploads / states[0] / media_id / "progress.json")
        error = progress.get("error") or progress.get("status") or "no progress.json"
        yield Wrong(LOST, media_id, f"ended in {states[0]}/: {error}")
    else:
        yield from _original(found, media_id, upload)
    if media_id in found.receipts:
        yield from _stored(found, media_id, gone)
    elif states == ["done"]:
        yield Wrong(gone, media_id, "is done, but central has no receipt")


def _original(found: Evidence, media_id: str, upload: Upload | None) -> Iterator[Wrong]:
    folder = found.uploads / "done" / media_id
    media = record(folder / "media.json")
    is_sha256 = sha256(folder / media.get("filename", ""))
    if not media or is_sha256 != media["sha256"]:
        yield Wrong(TORN, media_id, "the original is not what media.json says")
    elif upload and is_sha256 != upload.sha256:
        yield Wrong(TORN, media_id, "the original is not what was posted")


def _stored(found: Evidence, media_id: str, gone: str) -> Iterator[Wrong]:
    receipt = found.receipts[media_id]
    name = receipt.get("name", "")
    if name not in found.stored_names:
        yield Wrong(gone, media_id, f"central has a receipt for {name!r} and no such file")
    elif sha256(found.storage / name) != receipt["sha256"]:
        yield Wrong(TORN, media_id, f"{name} has not the sha256 of its receipt")
    else:
        yield from _pictures(found, media_id, name)
    if found.lines[name] == 0:
        yield Wrong(gone, media_id, f"{name} has no line in the log")
    elif found.lines[name] > 1:
        yield Wrong(DUPLICATED, media_id, f"{name} has {found.lines[name]} lines in the log")


def _pictures(found: Evidence, media_id: str, name: str) -> Iterator[Wrong]:
    """The stored image opens, with the original's format and size."""
    folder = found.uploads / "done" / media_id
    if not folder.is_dir():
        return
    try:
        posted = picture(folder / record(folder / "media.json").get("filename", ""))
        stored = picture(found.storage / name)
    except OSError as error:
        yield Wrong(TORN, media_id, f"cannot be opened: {error}")
        return
    if posted != stored:
        yield Wrong(TORN, media_id, f"{name}: {posted} became {stored}")
    progress = record(folder / "progress.json")
    told = progress.get("stored") or {}
    if (told.get("name"), told.get("sha256")) != (name, sha256(found.storage / name)):
        yield Wrong(TORN, media_id, f"progress.json tells of another file: {told}")


def _answer(found: Evidence, media_id: str, answer: Answer) -> Iterator[Wrong]:
    """The gateway and central answer what lies on their disks."""
    if answer.status != "stored":
        yield Wrong(LOST, media_id, f"GET /media/ on the gateway: {answer.status}")
    receipt = found.receipts.get(media_id, {})
    if answer.central_sha256 != receipt.get("sha256"):
        yield Wrong(LOST, media_id, f"GET /media/ on central: {answer.central_sha256}")
    elif answer.stored_sha256 != answer.central_sha256:
        yield Wrong(TORN, media_id, f"the gateway says that {answer.stored_sha256} was stored")
