"""GET / and /docs, pages for people. They load nothing from elsewhere and work offline."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_STYLE = """
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem;
  color-scheme: light dark }
pre { padding: .7rem 1rem; overflow-x: auto; border: 1px solid; border-radius: .4rem }
"""
_HOME = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,">
<style>{style}</style>
<h1>{title}</h1>
<p>{description}</p>
<pre>{command}</pre>
<ul>
{links}
</ul>
</html>
"""
_DOCS = """<!doctype html>
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
_BASE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_DOCS_POLICY = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def install(app: FastAPI, command: str, links: dict[str, str]) -> None:
    """Add both pages to an app whose own /docs is off.

    command: what to type first; {url} in it is the service's address. links: paths, and what each
    shows.
    """

    @app.get("/", include_in_schema=False)
    def get_home(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        entries = (f'<li><a href="{root}{p}">{p}</a>: {escape(links[p])}</li>' for p in links)
        page = _HOME.format(
            title=escape(app.title),
            style=_STYLE,
            description=escape(app.description),
            command=escape(command.format(url=str(request.base_url).rstrip("/"))),
            links="\n".join(entries),
        )
        digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
        return _page(page, f"style-src 'sha256-{digest}'; img-src data:")

    @app.get("/docs", include_in_schema=False)
    def get_docs(request: Request) -> HTMLResponse:
        page = _DOCS.format(title=escape(app.title), root=request.scope.get("root_path", ""))
        return _page(page, _DOCS_POLICY)

    @app.get("/docs/start.js", include_in_schema=False)
    def get_start() -> Response:
        return Response(_START, headers=_HEADERS, media_type="text/javascript")

    @app.get("/docs/{asset}", include_in_schema=False)
    async def get_asset(asset: str, request: Request) -> Response:
        if asset not in _ASSETS:
            raise HTTPException(404)
        answer = await _STATIC.get_response(asset, request.scope)  # or 304
        answer.headers.update(_HEADERS)
        return answer


def _page(html: str, policy: str) -> HTMLResponse:
    headers = {**_HEADERS, "Content-Security-Policy": f"{_BASE_POLICY}; {policy}"}
    return HTMLResponse(html, headers=headers)
