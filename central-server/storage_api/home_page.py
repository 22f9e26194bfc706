"""GET /, a page that says what this is. It loads nothing."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from shared.web.docs_page import BASE_POLICY, HEADERS

_LINKS = {
    "/activity": "the log's last 100 lines",
    "/docs": "every request, to be tried in the browser",
    "/ready": "whether images can be stored now",
}
_STYLE = """
:root { color-scheme: light dark; background: Canvas }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto;
  padding: 0 1rem }
pre { padding: .7rem 1rem; overflow-x: auto; border: 1px solid; border-radius: .4rem }
"""
_DIGEST = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"{BASE_POLICY}; style-src 'sha256-{_DIGEST}'; img-src data:"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,">
<style>{style}</style>
<main>
<h1>{title}</h1>
<p>{description}</p>
<pre>curl {url}/activity</pre>
<ul>
{links}
</ul>
</main>
</html>
"""


def install(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def get_home(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        entries = (f'<li><a href="{root}{p}">{p}</a>: {escape(_LINKS[p])}</li>' for p in _LINKS)
        page = _PAGE.format(
            title=escape(app.title),
            style=_STYLE,
            description=escape(app.description),
            url=escape(str(request.base_url).rstrip("/")),
            links="\n".join(entries),
        )
        return HTMLResponse(page, headers={**HEADERS, "Content-Security-Policy": _POLICY})
