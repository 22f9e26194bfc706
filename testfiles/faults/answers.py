"""What the gateway and central answer about each media after a run."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

ANSWER_S = 10


@dataclass(frozen=True)
class Answer:
    """What was answered. A request that failed has its HTTP status or error in that place."""

    status: str
    stored_sha256: str
    central_sha256: str


def ask(url: str, central_url: str, media_ids: Iterable[str]) -> dict[str, Answer]:
    transport = httpx.HTTPTransport(retries=3)  # of the connection
    with httpx.Client(timeout=ANSWER_S, transport=transport, trust_env=False) as http:
        return {media_id: _ask(http, url, central_url, media_id) for media_id in media_ids}


def _ask(http: httpx.Client, url: str, central_url: str, media_id: str) -> Answer:
    try:
        media, image = (http.get(f"{base}/media/{media_id}") for base in (url, central_url))
    except httpx.TransportError as error:
        return Answer(repr(error), "", repr(error))
    stored = media.json().get("stored") or {} if media.is_success else {}
    return Answer(
        media.json()["status"] if media.is_success else f"{media.status_code}",
        stored.get("sha256", ""),
        hashlib.sha256(image.content).hexdigest() if image.is_success else f"{image.status_code}",
    )
