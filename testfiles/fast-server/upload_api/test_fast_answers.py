"""What the documentation says of answers is what the records hold."""

import ast
from typing import get_type_hints

from live.openapi import ChangedMedia
from local_stack.stack import ROOT
from shared.contract import (
    FAILURE_CODES,
    RECORD_LOST,
    AttemptRecord,
    ErrorRecord,
    FileRecord,
    MediaRecord,
    ProgressRecord,
)
from shared.redis.events import Change
from upload_api.answers import AttemptMade, Failure, Media, Stored, Watermarked


def test_each_answers_fields_are_those_of_the_records() -> None:
    own = {"next", "result_url"}
    kept_back = {"idempotency_key"}
    records = {*get_type_hints(MediaRecord), *get_type_hints(ProgressRecord)}
    assert {*Media.model_fields} == records - kept_back | own
    assert {*AttemptMade.model_fields} == {*get_type_hints(AttemptRecord)}
    assert {*Failure.model_fields} == {*get_type_hints(ErrorRecord)}
    files = {*Watermarked.model_fields, *Stored.model_fields}
    assert files == {*get_type_hints(FileRecord)}


def test_an_event_of_the_documentation_has_the_fields_of_a_change() -> None:
    assert {*ChangedMedia.model_fields} == {*get_type_hints(Change)}
    needed = {name for name, field in ChangedMedia.model_fields.items() if field.is_required()}
    assert needed == Change.__required_keys__


def test_the_codes_are_all_that_a_worker_gives() -> None:
    """Each is a constant where it is raised, or a name of the contract."""
    given = {
        argument.value
        for path in (ROOT / "worker-server").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and call.args and _name(call.func) in _RAISED
        for argument in [call.args[0]]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    of_a_record_that_is_not_written = {"clock_unsure"}
    by_name = {"central_full", "central_unreachable", "logo_unavailable", RECORD_LOST}
    assert {*FAILURE_CODES} == given - of_a_record_that_is_not_written | by_name


_RAISED = (
    "ImageRejected",
    "DecoderFailed",
    "DecoderKilled",
    "Unavailable",
    "CentralRefused",
    "WorkerLost",
    "__init__",
)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
