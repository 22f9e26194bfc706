"""What FastAPI cannot derive for /docs, because routes read bodies and write files themselves."""

from typing import Any

from shared.contract import MEDIA_ID_PATTERN

_BYTES = {"type": "string", "format": "binary"}

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "worker_name"],
                    "properties": {
                        "file": _BYTES,
                        # Both without a type: in a form every value is text, even a number.
                        "worker_name": {
                            "description": "Who delivers it, for the log.",
                            "minLength": 1,
                            "example": "worker-1",
                        },
                        "media_id": {
                            "pattern": f"^{MEDIA_ID_PATTERN}$",
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

IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stored image, with its own content type",
        "content": {
            "image/*": {"schema": _BYTES},
            "application/octet-stream": {"schema": _BYTES},  # of no known image type
        },
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    304: {"description": "Not modified since If-None-Match or If-Modified-Since"},
}
