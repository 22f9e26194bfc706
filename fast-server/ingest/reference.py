"""ref: what a client calls an image itself, kept in its record and given back as it came."""

import unicodedata

from shared.web.problems import Problem
from upload_api.refusals import BAD_REF

MAX_BYTES = 1024
_BREAKING = ("Cc", "Cs", "Zl", "Zp")


def checked(*said: str) -> str | None:
    """The one reference of a request, which may say it in its query and its form; "" is none.

    Raises Problem.
    """
    refs = {ref for ref in said if ref}
    if len(refs) > 1:
        raise Problem(BAD_REF, "The request has two that differ. Send one.")
    for ref in refs:
        if len(ref.encode(errors="replace")) > MAX_BYTES:
            raise Problem(BAD_REF, BAD_REF.example)
        if any(unicodedata.category(char) in _BREAKING for char in ref):
            raise Problem(BAD_REF, "It has a control character. Send a line of text.")
    return next(iter(refs), None)
