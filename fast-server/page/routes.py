"""GET / and the files that the page loads."""

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from page.assets import Asset, Page
from upload_api.compression import takes_gzip

# Trusted Types: text becomes markup only in lit-html, and there only that of its templates.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",  # with no-referrer a form's post would come from no Origin
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
_FOR_EVER, _REVALIDATED = "public, max-age=31536000, immutable", "no-cache"
router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_page(request: Request) -> Response:
    page: Page = request.app.state.page
    return _answer(request, page.home, _REVALIDATED)


@router.get("/page/{version}/{name}")
async def get_asset(request: Request, version: str, name: str) -> Response:
    """With a version of earlier or later it is this one's, for as long as that page is open."""
    page: Page = request.app.state.page
    if name not in page.assets:
        raise HTTPException(404)
    cache = _FOR_EVER if version == page.version else _REVALIDATED
    return _answer(request, page.assets[name], cache)


def _answer(request: Request, asset: Asset, cache: str) -> Response:
    is_compressed = takes_gzip(request)
    body = asset.compressed if is_compressed else asset.plain
    headers = {**_HEADERS, "Cache-Control": cache, "ETag": body.etag}
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    answer = Response(body.content, headers=headers, media_type=asset.kind)
    if StaticFiles(check_dir=False).is_not_modified(answer.headers, request.headers):
        return NotModifiedResponse(answer.headers)
    return answer
