"""A part's Content-Disposition (RFC 7578, 4.2): its names, in each way that clients write them."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import quote, unquote

_HEADER = "content-disposition"
_ENCODED_WORDS = re.compile(r"\s*(=\?[\w*-]+\?[bq]\?[^?]*\?=\s*)+", re.IGNORECASE)


def parse(value: bytes, *, follows_content_type: bool) -> tuple[str | None, str | None]:
    """The part's name and its file's name; None for what the header does not have.

    filename* (RFC 5987) comes before filename, which clients that write both send for readers
    of an older kind. follows_content_type: whether the header stands behind the part's
    Content-Type, as in aiohttp, which encodes all of a file name as in a URL.
    """
    message = Message()
    message[_HEADER] = decoded(value)
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, said in message.get_params([], _HEADER):
        if isinstance(said, tuple):
            extended.setdefault(name.lower(), collapse_rfc2231_value(said))
        else:
            plain.setdefault(name.lower(), said)
    filename = extended.get("filename")
    if filename is None and "filename" in plain:
        filename = _without_encoding(plain["filename"], follows_content_type)
    return extended.get("name", plain.get("name")), filename


def decoded(value: bytes) -> str:
    """UTF-8, which browsers and curl send, else latin-1, which takes any byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _without_encoding(name: str, is_of_aiohttp: bool) -> str:
    if _ENCODED_WORDS.fullmatch(name):  # RFC 2047, as .NET sends
        try:
            return str(make_header(decode_header(name))) or name
        except (MessageError, LookupError, UnicodeError):
            return name
    in_full = unquote(name)
    if quote(in_full, "") == name and (is_of_aiohttp or not in_full.isascii()):
        return in_full
    # As browsers write these three (WHATWG HTML, multipart/form-data encoding algorithm).
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
