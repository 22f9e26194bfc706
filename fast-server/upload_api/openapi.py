"""What FastAPI cannot derive for /docs, because the body is read as it streams in."""

from typing import Any

from shared.contract import FAILURE_CODES, MEDIA_ID_PATTERN
from shared.web.schemas import EXAMPLE_ID
from upload_api.unsupported import FORMATS

_FORMATS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
_REF: dict[str, Any] = {
    "type": "string",
    "maxLength": 1024,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
}
_ABOUT_REF = (
    "What you call the image yourself, such as holiday/2026/IMG_1.jpg: kept in its record and "
    "given back. 1,024 bytes at most, no control characters."
)

UPLOAD_FORM: dict[str, Any] = {
    "parameters": [
        {
            "name": "ref",
            "in": "query",
            "required": False,
            "description": _ABOUT_REF,
            "schema": _REF,
        },
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Names this upload, so that it can be sent again when its answer was "
            "lost: for 24 hours the same file under the same name, ref and key is the same media. "
            "1 to 255 printable ASCII characters, in double quotes or, without spaces, bare: "
            '"8e03978e-40d5".',
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
                    },
                }
            }
        },
    },
}

MEDIA_ID_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": "media_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"},
            "example": EXAMPLE_ID,
        }
    ]
}

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {"description": "The status_url", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "true where the Idempotency-Key came with this file before: "
                "nothing new was stored",
                "schema": {"type": "string", "enum": ["true"]},
            },
        }
    }
}

CODE_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": "code",
            "in": "query",
            "required": False,
            "description": "Only those whose error has this code",
            "schema": {"type": "string", "enum": list(FAILURE_CODES)},
            "example": "central_unreachable",
        }
    ]
}

RETRIED_EXAMPLE: dict[int | str, dict[str, Any]] = {
    202: {"content": {"application/json": {"example": {"retried": 120, "skipped": 0}}}}
}

_MEDIA = {
    "media_id": EXAMPLE_ID,
    "filename": "photo.jpg",
    "content_type": "image/jpeg",
    "size": 81234,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "width": 320,
    "height": 240,
    "received_at": "2026-01-15T14:30:45.123Z",
    "format_version": 1,
    "ref": "holiday/2026/IMG_1.jpg",
    "run": 1,
    "status": "watermarking",
    "attempts": [
        {
            "stage": "watermark",
            "worker": "worker-1",
            "started_at": "2026-01-15T14:30:45.150Z",
            "ended_at": None,
            "error": None,
        }
    ],
    "next_attempt_at": None,
    "error": None,
    "watermarked": None,
    "stored": None,
    "next": "worker-1 is at attempt 1 to watermark it since 2026-01-15T14:30:45.150Z.",
}
_RERUN = {
    **_MEDIA,
    "run": 2,
    "status": "queued",
    "attempts": [],
    "next": "It waits for a worker to watermark it.",
}
MEDIA_EXAMPLE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": _MEDIA}}}
}
RERUN_EXAMPLE: dict[int | str, dict[str, Any]] = {
    202: {"content": {"application/json": {"example": _RERUN}}}
}
