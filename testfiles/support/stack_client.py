"""A client of a stack, as patient as the gateway asks for on a busy machine."""

import atexit
from typing import Any

import httpx

from local_stack.stack import Stack
from support.services import until

TIMEOUT_S = 60
_http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)  # one: a TLS context costs 40 ms
atexit.register(_http.close)


def post(stack: Stack, content: bytes, name: str = "photo.jpg") -> str:
    """The media id of an upload that was taken."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        files = {"file": (name, content)}
        answers.append(_http.post(f"{stack.url}/media", files=files))
        return answers[-1].status_code != 503

    until(is_answered)
    assert answers[-1].status_code == 202, answers[-1].text
    return str(answers[-1].json()["media_id"])


def described(stack: Stack, media_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = _http.get(f"{stack.url}/media/{media_id}").json()
    return answer
