"""GET /docs, for people. It loads nothing from elsewhere and works offline."""

from html import escape

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="{root}/docs/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</html>
"""
_START = """SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css")
_STATIC = StaticFiles(packages=[("fastapi_offline", "static")])
BASE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_POLICY = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def install(app: FastAPI) -> None:
    """Add it to an app whose own /docs is off."""

    @app.get("/docs", include_in_schema=False)
    def get_docs(request: Request) -> HTMLResponse:
        page = _PAGE.format(title=escape(app.title), root=request.scope.get("root_path", ""))
        policy = f"{BASE_POLICY}; {_POLICY}"
        return HTMLResponse(page, headers={**HEADERS, "Content-Security-Policy": policy})

    @app.get("/docs/start.js", include_in_schema=False)
    def get_start() -> Response:
        return Response(_START, headers=HEADERS, media_type="text/javascript")

    @app.get("/docs/{asset}", include_in_schema=False)
    async def get_asset(asset: str, request: Request) -> Response:
        if asset not in _ASSETS:
            raise HTTPException(404)
        answer = await _STATIC.get_response(asset, request.scope)  # or 304
        answer.headers.update(HEADERS)
        return answer
