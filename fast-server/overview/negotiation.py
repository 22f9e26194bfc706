"""Whether a client prefers text to JSON, by its Accept (RFC 9110, section 12.5.1)."""

TEXT, JSON = "text/plain", "application/json"


def prefers_text(accept: str) -> bool:
    """No, where it takes both alike, as with */*."""
    return _quality(accept, TEXT) > _quality(accept, JSON)


def _quality(accept: str, wanted: str) -> float:
    """That of the range which fits most closely."""
    qualities = dict(map(_parsed, accept.split(",")))
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
