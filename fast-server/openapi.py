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
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "One image: JPEG, PNG, GIF, WebP, TIFF, BMP, "
                            "JPEG 2000 or AVIF.",
                        }
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
                }
            }
        }
    }
}
