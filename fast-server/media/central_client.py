"""central-server's side of a removal."""

import asyncio
from urllib.parse import urljoin

import httpx

from shared.problems import Problem
from upload_api.refusals import CENTRAL_UNREACHABLE, RETRY_AFTER_S

_ANSWER_S = 10.0


class Central:
    """A keep-alive client for central's DELETE /media/{media_id}."""

    def __init__(self, upload_url: str) -> None:
        self._upload_url = upload_url
        # httpx's timeout is for each phase; a removal as a whole has the limit above.
        # uvicorn closes idle connections after 5 s, as httpx does: no request may meet that.
        limits = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False)  # noqa: S113

    async def remove(self, media_id: str) -> bool:
        """Whether central had it. Raises Problem where it does not say."""
        url = urljoin(self._upload_url, f"media/{media_id}")
        try:
            async with asyncio.timeout(_ANSWER_S):
                response = await self._client.delete(url)
        except TimeoutError as error:
            raise _unreachable(url, f"gave no answer within {_ANSWER_S:g} s") from error
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise _unreachable(url, f"cannot be reached: {reason}") from error
        if response.status_code not in (httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND):
            raise _unreachable(url, f"answered {response.status_code}")
        return response.status_code == httpx.codes.NO_CONTENT

    async def close(self) -> None:
        await self._client.aclose()


def _unreachable(url: str, what: str) -> Problem:
    detail = f"Central ({url}) {what}. Nothing was removed."
    return Problem(CENTRAL_UNREACHABLE, detail, RETRY_AFTER_S)
