"""central-server's side of a removal."""

import asyncio
from urllib.parse import urljoin

import httpx

from shared import tls
from shared.central_answer import answer_to
from shared.web.problems import Problem
from upload_api.refusals import CENTRAL_UNREACHABLE, RETRY_AFTER_S

_ANSWER_S = 10.0


class Central:
    """A keep-alive client for central's DELETE /media/{media_id}."""

    def __init__(self, upload_url: str) -> None:
        self._upload_url = upload_url
        # httpx's timeout is for each phase; a removal as a whole has the limit above.
        # uvicorn closes idle connections after 5 s, as httpx does: no request may meet that.
        limits = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.AsyncClient(
            verify=tls.client_context(),
            timeout=None,  # noqa: S113
            limits=limits,
            trust_env=False,
        )

    async def remove(self, media_id: str) -> bool:
        """Whether central had it. Raises Problem where it does not say."""
        url = urljoin(self._upload_url, f"media/{media_id}")
        request = self._client.build_request("DELETE", url)
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await answer_to(self._client, request)
        except TimeoutError as error:
            raise _unreachable(url, f"gave no answer within {_ANSWER_S:g} s") from error
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise _unreachable(url, f"cannot be reached: {reason}") from error
        is_unknown = answer.own_code == "media_not_found"  # any other 404 is somebody else's
        if answer.status != httpx.codes.NO_CONTENT and not is_unknown:
            raise _unreachable(url, f"answered {answer.status}")
        return not is_unknown

    async def close(self) -> None:
        await self._client.aclose()


def _unreachable(url: str, what: str) -> Problem:
    detail = f"Central ({url}) {what}. Nothing was removed."
    return Problem(CENTRAL_UNREACHABLE, detail, RETRY_AFTER_S)
