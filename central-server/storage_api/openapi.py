"""What FastAPI cannot derive for /docs, because the body is read as it streams in."""

from typing import Any

from shared.contract import MEDIA_ID_PATTERN
from shared.web.schemas import EXAMPLE_ID

_BYTES = {"type": "string", "format": "binary"}
_MEDIA_ID = {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"}

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "worker_name"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        # Both without a type: in a form every value is text, a number as well.
                        "worker_name": {
                            "description": "Who delivers it, as text: it stands in the log.",
                            "minLength": 1,
                            "example": "worker-1",
                        },
                        "media_id": {
                            "pattern": _MEDIA_ID["pattern"],
                            "description": "A ULID. The same one is stored and logged once, "
                            "however often it is delivered, and never again after it was deleted; "
                            "without it, one is assigned.",
                        },
                    },
                },
            }
        },
    }
}

MEDIA_ID_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": "media_id",
            "in": "path",
            "required": True,
            "schema": _MEDIA_ID,
            "example": EXAMPLE_ID,
        }
    ]
}

IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stored image, with its own content type",
        "content": {
            "image/*": {"schema": _BYTES},
            "application/octet-stream": {"schema": _BYTES},  # of what is no image to its name
        },
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    304: {"description": "It is still the one of If-None-Match, or of If-Modified-Since"},
}

_LINE = "[2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: watermarked_photo.jpg\n"
LOG_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _LINE}}}
}
