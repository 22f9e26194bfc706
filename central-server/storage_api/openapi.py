"""What FastAPI cannot derive for /docs, because the body is read as it streams in."""

from typing import Any

_MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"

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
                        "worker_name": {"type": "string", "example": "worker-1"},
                        "media_id": {
                            "type": "string",
                            "description": "A ULID. The same one is stored and logged once, "
                            "however often it is delivered, and never again after it was deleted; "
                            "without it, one is assigned.",
                        },
                    },
                }
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
            "schema": {"type": "string"},
            "example": _MEDIA_ID,
        }
    ]
}

IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stored image, with its own content type",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}

LOG_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/plain": {
                "example": "[2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: watermarked_photo.jpg\n"
            }
        }
    }
}
