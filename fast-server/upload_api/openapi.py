"""What FastAPI cannot derive for /docs, because routes read bodies and headers themselves."""

from typing import Annotated, Any

from fastapi import Query
from pydantic.json_schema import SkipJsonSchema

from shared.contract import FAILURE_CODES
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

FailureCode = Annotated[
    str | SkipJsonSchema[None],
    Query(
        description="Only those whose error has this code",
        json_schema_extra={"enum": list(FAILURE_CODES)},
        examples=["central_unreachable"],
    ),
]

UPLOAD_FORM: dict[str, Any] = {
    "parameters": [
        {"name": "ref", "in": "query", "description": _ABOUT_REF, "schema": _REF},
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names this upload, so that it can be sent again if the answer is "
            "lost: for 24 hours the same file with the same name, ref and key is the same media. "
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
