"""What FastAPI cannot derive of batches and archives: path, form, and the ZIP."""

from typing import Any

from batches.chosen import MOST
from shared.contract import MEDIA_ID_FIELD, MEDIA_ID_PATTERN
from shared.web.schemas import BYTES, EXAMPLE_ID

_ULID = {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"}
BATCH_PARAMETER: dict[str, Any] = {
    "parameters": [
        {"name": "batch", "in": "path", "required": True, "schema": _ULID, "example": EXAMPLE_ID}
    ]
}
_FORM = {
    "schema": {
        "type": "object",
        "required": [MEDIA_ID_FIELD],
        "properties": {
            MEDIA_ID_FIELD: {"type": "array", "items": _ULID, "minItems": 1, "maxItems": MOST}
        },
    },
    "example": {MEDIA_ID_FIELD: [EXAMPLE_ID]},
}
ARCHIVE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "multipart/form-data will do, too",  # generators stumble over both
        "content": {"application/x-www-form-urlencoded": _FORM},
    }
}


def _number(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A ZIP of the stored images, and a text that lists what is left out",
        "content": {
            "application/zip": {"schema": BYTES},
            "application/octet-stream": {"schema": BYTES},  # for makers of clients
        },
        "headers": {
            "Archive-Images": _number("How many images it has"),
            "Archive-Left-Out": _number("How many are not stored, and so left out"),
        },
    }
}
