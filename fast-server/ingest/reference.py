"""ref: the client's own name for an image, kept in the record and returned unchanged."""

import unicodedata
from urllib.parse import parse_qsl

from shared.contract import REF_FIELD
from shared.web.problems import Problem
from upload_api.refusals import BAD_REF

MAX_BYTES = 1024
_BREAKING = ("Cc", "Cs", "Zl", "Zp")


def of_query(query: bytes) -> list[str]:
    """All refs in a URL's query, as UTF-8, else as latin-1, as in a form."""
    text = query.decode("latin-1")
    try:
        pairs = parse_qsl(text, errors="strict")
    except UnicodeDecodeError:
        pairs = parse_qsl(text, encoding="latin-1")
    return [value for name, value in pairs if name == REF_FIELD]


def checked(*sent: str) -> str | None:
    """The one ref of a request, whose query and form may both have it. Empty ones do not count.

    Raises Problem.
    """
    refs = {ref for ref in sent if ref}
    if len(refs) > 1:
        raise Problem(BAD_REF, "The request has two different refs. Send one.")
    for ref in refs:
        if len(ref.encode(errors="replace")) > MAX_BYTES:
            raise Problem(BAD_REF)
        if any(unicodedata.category(char) in _BREAKING for char in ref):
            raise Problem(BAD_REF, "It has a control character. Send a line of text.")
    return next(iter(refs), None)
