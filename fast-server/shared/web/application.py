"""What the HTTP services are made of alike: the door, problems, methods, pages, their OpenAPI."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.web import pages, problems
from shared.web.door import Door
from shared.web.lingering_close import Lingering
from shared.web.methods import Methods

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Application(FastAPI):
    """A service whose state has its settings once it has started."""

    def __init__(
        self,
        title: str,
        description: str,
        lifespan: Lifespan,
        *,
        command: str,
        links: dict[str, str],
    ) -> None:
        """command and links are what GET / shows: see pages.install."""
        super().__init__(
            title=title,
            description=description,
            lifespan=lifespan,
            docs_url=None,  # FastAPI's pages load script and style from elsewhere
            redoc_url=None,
            redirect_slashes=False,
            generate_unique_id_function=_name,
        )
        self.add_middleware(Methods)
        self.add_middleware(Door)
        self.add_middleware(Lingering)
        problems.install(self)
        pages.install(self, command, links)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"].update(problems.SCHEMAS)
        return document


def _name(route: APIRoute) -> str:
    """What a generated client calls the operation."""
    return route.name
