"""Content-Disposition: of a part (RFC 7578, 4.2), however clients encode its names, and of an
answer (RFC 6266)."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import quote, unquote

_HEADER = "content-disposition"
_ENCODED_WORDS = re.compile(r"\s*(=\?[\w*-]+\?[bq]\?[^?]*\?=\s*)+", re.IGNORECASE)


def parse(value: bytes, *, follows_content_type: bool) -> tuple[str | None, str | None]:
    """The part's name and its file's name; None for one that is missing.

    filename* (RFC 5987) wins over filename, which clients add for older servers.
    follows_content_type: whether the header comes after the part's Content-Type. That is how
    aiohttp orders them, and aiohttp percent-encodes the whole file name.
    """
    message = Message()
    message[_HEADER] = decoded(value)
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value_of in message.get_params([], _HEADER):
        if isinstance(value_of, tuple):
            extended.setdefault(name.lower(), collapse_rfc2231_value(value_of))
        else:
            plain.setdefault(name.lower(), value_of)
    filename = extended.get("filename")
    if filename is None and "filename" in plain:
        filename = _without_encoding(plain["filename"], follows_content_type)
    return extended.get("name", plain.get("name")), filename


def written(kind: str, filename: str) -> str:
    """The header of an answer: kind is inline or attachment, filename the name to save it under.

    curl -J reads the plain name alone; browsers prefer the other (RFC 6266, 4.3).
    """
    plain = re.sub(r'[^ -~]|["\\%]', "_", filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, '')}"


def decoded(value: bytes) -> str:
    """value as UTF-8, as browsers and curl send it, else as latin-1, which decodes any byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _without_encoding(name: str, is_from_aiohttp: bool) -> str:
    if _ENCODED_WORDS.fullmatch(name):  # RFC 2047, as .NET sends it
        try:
            return str(make_header(decode_header(name))) or name
        except (MessageError, LookupError, UnicodeError):
            return name
    unquoted = unquote(name)
    if quote(unquoted, "") == name and (is_from_aiohttp or not unquoted.isascii()):
        return unquoted
    # Browsers encode only these three (WHATWG HTML, multipart/form-data encoding algorithm).
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
