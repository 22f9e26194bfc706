"""What FastAPI cannot derive for /docs, because the body is read as it streams in."""

from typing import Any

from upload_api.unsupported import FORMATS

_FORMATS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
_MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"

UPLOAD_FORM: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Names this upload, so that it can be sent again when its answer was "
            "lost: for 24 hours the same file under the same name and key is the same media. "
            "1 to 255 printable ASCII characters, in double quotes or, without spaces, bare.",
            "schema": {"type": "string"},
            "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        }
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
                        }
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
            "schema": {"type": "string"},
            "example": _MEDIA_ID,
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
            "schema": {"type": "string"},
            "example": "central_unreachable",
        }
    ]
}

RETRIED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "How many were sent on, and how many of those meant were left alone "
        "because somebody else was at them",
        "content": {"application/json": {"example": {"retried": 120, "skipped": 0}}},
    }
}

MEDIA_EXAMPLE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {
                "example": {
                    "media_id": _MEDIA_ID,
                    "filename": "photo.jpg",
                    "content_type": "image/jpeg",
                    "size": 81234,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "width": 320,
                    "height": 240,
                    "received_at": "2026-01-15T14:30:45.123Z",
                    "format_version": 1,
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
                    "next": "worker-1 is at attempt 1 to watermark it "
                    "since 2026-01-15T14:30:45.150Z.",
                }
            }
        }
    }
}

_RERUN = {
    **MEDIA_EXAMPLE[200]["content"]["application/json"]["example"],
    "run": 2,
    "status": "queued",
    "attempts": [],
    "next": "It waits for a worker to watermark it.",
}
RERUN_EXAMPLE: dict[int | str, dict[str, Any]] = {
    202: {"content": {"application/json": {"example": _RERUN}}}
}
