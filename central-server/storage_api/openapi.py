"""What FastAPI cannot derive for /docs, because routes read bodies and write files themselves."""

from typing import Any

from shared.contract import MEDIA_ID_PATTERN
from shared.web.schemas import BYTES

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "worker_name"],
                    "properties": {
                        "file": BYTES,
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
