"""Events as they lie in the stream, and what another program may have put there."""

import json
from typing import Any

import pytest

from shared.contract import MediaRecord
from shared.redis import events

MEDIA_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ENTRY = b"1768487445123-7"
RECORD: MediaRecord = {
    "media_id": MEDIA_ID,
    "filename": "Öl.jpg",
    "content_type": "image/jpeg",
    "size": 81234,
    "sha256": "",
    "width": None,
    "height": None,
    "received_at": "2026-01-15T14:30:45.123Z",
    "format_version": 1,
    "ref": "a/b.jpg",
    "batch": "01ARZ3NDEKTSV4RRFFQ69G5FAW",
}


def test_what_was_received_comes_back_as_it_was_told() -> None:
    told = events.encoded(events.received(RECORD))
    assert events.decoded(ENTRY, {b"item": told}) == {
        "event": "received",
        "media_id": MEDIA_ID,
        "state": "pending",
        "status": "queued",
        "code": None,
        "filename": "Öl.jpg",
        "ref": "a/b.jpg",
        "batch": "01ARZ3NDEKTSV4RRFFQ69G5FAW",
        "size": 81234,
        "changed_at": "2026-01-15T14:30:45.123Z",
    }


def test_a_removal_comes_back_without_what_is_gone() -> None:
    change = events.decoded(ENTRY, {b"item": events.removed(MEDIA_ID)})
    assert change is not None
    assert (change["event"], change["media_id"], change["status"]) == (
        "removed",
        MEDIA_ID,
        "removed",
    )


@pytest.mark.parametrize(
    ("stage", "event"), [("watermark", "watermarking"), ("upload", "uploading")]
)
def test_a_job_that_was_taken_has_the_time_of_its_entry(stage: str, event: str) -> None:
    assert events.decoded(ENTRY, {b"taken": f"{MEDIA_ID}:{stage}:3".encode()}) == {
        "event": event,
        "media_id": MEDIA_ID,
        "status": event,
        "changed_at": "2026-01-15T14:30:45.123Z",
    }


def changed(**fields: Any) -> bytes:
    return json.dumps({"event": "received", **events.received(RECORD), **fields}).encode()


def without(name: str) -> bytes:
    fields = json.loads(changed())
    del fields[name]
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"taken": b"another job"},
        {b"item": b"{"},
        {b"item": b"[" * 100_000},
        {b"item": b"[]"},
        {b"item": b"7"},
        {b"item": b'{"event": "removed"}'},
        {b"item": changed(media_id="../../etc/passwd")},
        {b"item": changed(filename=None)},
        {b"item": changed(size="many")},
        {b"item": changed(changed_at="yesterday")},
        {b"item": changed(changed_at="2026-01-15T14:30:45")},
        {b"item": changed(changed_at="9999-12-31T23:59:59-23:00")},
        {b"item": changed(event="none of ours")},
        {b"item": changed(state="elsewhere")},
        {b"item": changed(status="lost")},
        {b"item": changed(code="Not A Code")},
        {b"item": changed(filename="\ud800.jpg")},
        {b"item": changed(size=2**63)},
        *({b"item": without(name)} for name in events.Item.__annotations__),
    ],
)
def test_what_another_program_added_is_none(fields: dict[bytes, bytes]) -> None:
    assert events.decoded(ENTRY, fields) is None
