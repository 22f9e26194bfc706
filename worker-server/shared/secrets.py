"""Masking of the secrets in the settings' URLs: user, password, signed query.

Libraries quote addresses in their messages, each in its own spelling. So texts are masked where
they leave the service: on the console, in answers and in records.
"""

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_MASK = "***"
# The shortest words that are masked outside of their URL: shorter ones would hit other words.
_PASSWORD_CHARS, _VALUE_CHARS = 6, 12
_words: list[str] = []
_patterns: list[tuple[re.Pattern[str], str]] = []


def learn(*urls: str) -> None:
    """Mask these URLs' secrets from now on."""
    for url in urls:
        _learn(url)
    _words.sort(key=len, reverse=True)  # the whole before a part of it


def masked(text: str) -> str:
    for pattern, mask in _patterns:
        text = pattern.sub(mask, text)
    for word in _words:
        text = text.replace(word, _MASK)
    return text


def may_hold_one(value: str) -> bool:
    """Whether a setting's value, a URL or not, may hold a secret."""
    return "@" in value or "?" in value


def _learn(url: str) -> None:
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    _, _, password = userinfo.partition(":")
    where = re.escape(host)
    if userinfo:
        _patterns.append((re.compile(rf"//[^\n]*?@{where}"), f"//{_MASK}@{host}"))
    if parts.query:
        asked = re.compile(rf"({where}[^\s?]*)\?[^\s'\"]*")
        _patterns.append((asked, rf"\1?{_MASK}"))
    words = [password] if len(password) >= _PASSWORD_CHARS else []
    values = [parts.query, *(value for _, value in parse_qsl(parts.query))]
    words += [value for value in values if len(value) >= _VALUE_CHARS]
    plain = [unquote(word) for word in words]
    found = {*words, *plain, *map(quote, plain), *(quote(word, safe="+") for word in plain)}
    _words.extend(found - {*_words})
