"""What both HTTP services are built from: middleware, failures, pages, /health, OpenAPI."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from shared.web import docs_page, problems, refusals
from shared.web.host_and_origin import SAFE_METHOD_REFUSALS, HostAndOriginCheck
from shared.web.lingering_close import LingeringClose
from shared.web.methods import HeadAndOptions

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Application(FastAPI):
    """A service. Its lifespan puts the settings into its state."""

    def __init__(self, title: str, description: str, lifespan: Lifespan) -> None:
        super().__init__(
            title=title,
            description=description,
            lifespan=lifespan,
            docs_url=None,  # FastAPI's pages load script and style from elsewhere
            redoc_url=None,
            redirect_slashes=False,
            generate_unique_id_function=_operation_id,
        )
        self.add_middleware(HeadAndOptions)
        self.add_middleware(HostAndOriginCheck)
        self.add_middleware(LingeringClose)
        problems.install(self)
        refusals.install(self)
        docs_page.install(self)

        @self.get("/health", tags=["service"], responses=problems.responses(*SAFE_METHOD_REFUSALS))
        async def get_health() -> Alive:
            """The process lives."""
            return Alive(status="ok")

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"].update(problems.SCHEMAS)
        return document


def _operation_id(route: APIRoute) -> str:
    """What a generated client calls the operation."""
    return route.name
