"""Idempotency-Key: an upload that is sent again with its key is the same media, stored once.

The header is that of draft-ietf-httpapi-idempotency-key-header. idempotency_store.py keeps keys.
"""

import hashlib
import re

from starlette.datastructures import Headers

from shared.web.problems import Problem
from upload_api.refusals import BAD_IDEMPOTENCY_KEY

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
# 1 to 255 printable ASCII characters: a string of RFC 9651, or the same without quotes
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
_BARE = re.compile(r"[!#-~][!-~]{0,254}")


def key_of(headers: Headers) -> str | None:
    """The SHA-256 of the request's key, if it has one. Raises Problem."""
    sent = headers.getlist(KEY_HEADER)
    if not sent:
        return None
    quoted, bare = _QUOTED.fullmatch(sent[0]), _BARE.fullmatch(sent[0])
    if len(sent) > 1 or not (quoted or bare):
        raise Problem(BAD_IDEMPOTENCY_KEY)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent[0]
    return hashlib.sha256(key.encode()).hexdigest()
