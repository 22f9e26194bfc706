"""Whether central-server answers, and can store."""

from http import HTTPStatus

from shared import secrets
from shared.central_client import CentralClient, NoAnswer

SOMETHING_ELSE = "Something else answers"
_ANSWER_S = 2.0


async def ask(central: CentralClient) -> tuple[bool, str | None]:
    """Whether central itself answers, and what is wrong; None if nothing is."""
    try:
        answer = await central.ask("GET", "ready", _ANSWER_S)
    except NoAnswer as error:
        return False, secrets.masked(f"Central {error}.")
    if answer.status == HTTPStatus.OK and "keep_receipts_days" in answer.fields:
        return True, None
    if answer.own_code:
        return True, answer.reason
    url = secrets.masked(central.address("ready"))
    return False, f"{SOMETHING_ELSE} at {url}: it said {answer.status}."
