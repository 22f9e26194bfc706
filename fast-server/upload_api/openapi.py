"""What FastAPI cannot derive for /docs, because routes read bodies and headers themselves."""

from typing import Any

from shared.contract import DONE, FAILED, FAILURE_CODES, MEDIA_ID_PATTERN, PENDING, Status
from upload_api.unsupported import FORMATS

_FORMATS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
_REF: dict[str, Any] = {
    "type": "string",
    "maxLength": 1024,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
}
_ABOUT_REF = (
    "Your own name for the image, such as holiday/2026/IMG_1.jpg. It is kept in the record and "
    "returned. 1,024 bytes at most, no control characters."
)


def _in_query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    schema = {"type": "string", **schema}
    return {"name": name, "in": "query", "description": description, "schema": schema}


_ULID = f"^{MEDIA_ID_PATTERN}$"
_CODE = _in_query("code", "Only those whose error has this code", enum=list(FAILURE_CODES))
_ABOUT_BATCH = "A ULID that you give to all that belong together"
_BATCH = _in_query("batch", "Only those of this batch", pattern=_ULID)
RETRY_PARAMETERS = {"parameters": [_CODE, _BATCH]}
_NAME = "Only those whose name begins so; case does not count"
_TIME = {"format": "date-time", "examples": ["2026-01-15T14:30:45Z"]}
LIST_PARAMETERS = {
    "parameters": [
        _in_query("state", "Only those in this folder", enum=[PENDING, FAILED, DONE]),
        _in_query("status", "Only those with this status", enum=list(Status)),
        _CODE,
        _BATCH,
        _in_query("ref", "Only those with exactly this ref"),
        _in_query(
            "name", "Only those whose name begins so; case does not count", examples=["img_"]
        ),
        _in_query("since", "Only those received then or later", **_TIME),
        _in_query("until", "Only those received before", **_TIME),
        _in_query("order", "By the time of reception", enum=["newest", "oldest"], default="newest"),
        _in_query("limit", "How many at most", type="integer", minimum=1, maximum=500, default=50),
        _in_query("after", "The next of the page before", pattern=_ULID),
    ]
}

UPLOAD_FORM: dict[str, Any] = {
    "parameters": [
        {"name": "ref", "in": "query", "description": _ABOUT_REF, "schema": _REF},
        _in_query("batch", _ABOUT_BATCH, pattern=_ULID),
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names this upload, so that it can be sent again if the answer is "
            "lost: for 24 hours the same file with the same name, ref, batch and key is the "
            "same media. 1 to 255 printable ASCII characters, in double quotes or, without "
            'spaces, bare: "8e03978e-40d5".',
            "schema": {
                "type": "string",
                "pattern": '^("([ !#-\\[\\]-~]|\\\\["\\\\]){1,255}"|[!#-~][!-~]{0,254})$',
            },
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": f"One image: {_FORMATS}.",
                        },
                        # Without a type: in a form every value is text. /docs sends any example.
                        "ref": {"maxLength": 1024, "description": _ABOUT_REF, "example": ""},
                        "batch": {"description": _ABOUT_BATCH, "example": ""},
                    },
                }
            }
        },
    },
}

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {"description": "The status_url", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "true if the Idempotency-Key came with this file before: "
                "nothing new was stored",
                "schema": {"type": "string", "enum": ["true"]},
            },
        }
    }
}
