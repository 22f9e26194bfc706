"""Whether a client prefers text to JSON, by its Accept (RFC 9110, section 12.5.1)."""

from collections.abc import Mapping, Sequence

TEXT, JSON = "text/plain", "application/json"


def prefers_text(accept: Sequence[str]) -> bool:
    """accept: the header's lines. No, where both are taken alike, as with */*."""
    qualities = dict(map(_parsed, ",".join(accept).split(",")))
    return _quality(qualities, TEXT) > _quality(qualities, JSON)


def _quality(qualities: Mapping[str, float], wanted: str) -> float:
    """That of the range which fits most closely."""
    kind = wanted.partition("/")[0]
    fitting = [qualities[each] for each in (wanted, f"{kind}/*", "*/*") if each in qualities]
    return fitting[0] if fitting else 0.0


def _parsed(part: str) -> tuple[str, float]:
    kind, *parameters = (each.strip().lower() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
