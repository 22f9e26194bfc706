"""The requests about what goes on, and those that change it."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from overview import activity, negotiation, openapi, pausing, table
from overview.answers import PauseState, Stats
from shared.web import problems
from shared.web.schemas import LOG_LINES, LogFollow, LogTail
from upload_api import refusals

router = APIRouter(tags=["service"])


@router.get(
    "/stats",
    response_model=Stats,
    responses={**openapi.STATS, **problems.responses(*refusals.STATS_REFUSALS)},
)
async def get_stats(request: Request) -> Response:
    """What goes on: how much waits, who works on what, what failed, and a sentence on all of it.

    With Accept: text/plain it is a table for a terminal. It answers whatever is down.
    """
    refusals.check_parameters(request)
    stats: Stats = await request.app.state.overview.stats()
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if negotiation.prefers_text(request.headers.getlist("Accept")):
        return PlainTextResponse(table.text(stats), headers=headers)
    return Response(stats.model_dump_json(), 200, headers, "application/json")


@router.post("/pause", responses=problems.responses(*refusals.PAUSE_REFUSALS))
def post_pause(request: Request) -> PauseState:
    """Let the workers finish what they have, and take no more until POST /resume.

    Uploads are taken and wait. It lasts, whatever restarts.
    """
    refusals.check_parameters(request)
    paused = pausing.begin(request.app.state.spool.root)
    request.app.state.overview.forget()
    return paused


@router.post("/resume", responses=problems.responses(*refusals.PAUSE_REFUSALS))
def post_resume(request: Request) -> PauseState:
    """Let the workers go on."""
    refusals.check_parameters(request)
    resumed = pausing.end(request.app.state.spool.root)
    request.app.state.overview.forget()
    return resumed


@router.get(
    "/activity",
    response_class=PlainTextResponse,
    responses={**LOG_LINES, **problems.responses(*refusals.ACTIVITY_REFUSALS)},
)
async def get_activity(
    request: Request, tail: LogTail = 100, follow: LogFollow = False
) -> Response:
    """The last lines of central's log. With follow=1 each new line comes as it is written.

    Nothing is sent while there is no new line: a proxy may take that for the end.
    """
    refusals.check_parameters(request, ["tail", "follow"])
    return await activity.ask(request, tail, follow=follow)
