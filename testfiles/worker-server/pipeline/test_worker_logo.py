"""Which logo is used, and that no image ever gets another than the one that was asked for."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest
from PIL import Image

from errors import LogoUnusable, Unavailable
from local_stack.host import free_ports
from pipeline import logo
from pipeline.logo import Logo
from runtime import container_limits
from runtime.decoder_processes import DecoderProcesses
from shared.background import repeat
from support import images
from support.queue import until
from support.web_server import Request, Web
from support.worker import FOLDER

RED, BLUE = (images.encode(Image.new("RGB", (60, 30), colour), "PNG") for colour in ("red", "blue"))


class InThisProcess:
    """DecoderProcesses without the processes, for what is no danger."""

    async def run(self, function: Callable[[Path, Path], None], raw: Path, drawn: Path) -> None:
        await asyncio.to_thread(function, raw, drawn)


@asynccontextmanager
async def logo_of(source: str | None, folder: Path) -> AsyncIterator[Logo]:
    opened = Logo(source, folder, cast(DecoderProcesses, InThisProcess()))
    try:
        yield opened
    finally:
        await opened.close()


def path_of(source: str | None, folder: Path) -> Path:
    async def scenario() -> Path:
        async with logo_of(source, folder) as wanted:
            return await wanted.path()

    return asyncio.run(scenario())


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(lambda request: request.respond(200, RED, ETag='"red"')) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "logos"
    path.mkdir()
    return path


def colour(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return images.pixel(image, (0, 0))


def used(source: str | None, folder: Path) -> tuple[int, ...]:
    """The colour of the logo that is used."""
    return colour(path_of(source, folder))


def reason_for_none(source: str, folder: Path, *, for_good: bool = True) -> str:
    with pytest.raises(Unavailable) as told:
        used(source, folder)
    assert isinstance(told.value, LogoUnusable) == for_good
    assert told.value.code == "logo_unavailable"
    assert source in told.value.detail
    assert not list(folder.glob("*.png"))
    return told.value.detail


OPAQUE_RED = (255, 0, 0, 255)


def test_a_url_a_file_url_and_a_path_all_name_a_logo(
    web: Web, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a logo 100%.png"
    path.write_bytes(RED)
    for source in (f"{web.url}/logo.png", f"file://{quote(str(path))}", str(path)):
        assert used(source, folder) == OPAQUE_RED


@pytest.mark.parametrize("image_format", ["JPEG", "GIF", "WEBP"])
def test_a_logo_may_be_of_any_common_format(
    folder: Path, tmp_path: Path, image_format: str
) -> None:
    Image.new("RGB", (60, 30), "blue").save(tmp_path / "logo", image_format)
    assert used(str(tmp_path / "logo"), folder)[2] > 200


def test_a_redirect_is_followed(web: Web, folder: Path) -> None:
    def answer(request: Request) -> None:
        if request.path == "/here":
            request.respond(200, RED)
        else:
            request.respond(302, Location="/here")

    web.answer = answer
    assert used(f"{web.url}/there", folder) == OPAQUE_RED


def test_it_is_fetched_once(web: Web, folder: Path) -> None:
    async def scenario() -> set[Path]:
        async with logo_of(web.url, folder) as wanted:
            return set(await asyncio.gather(*(wanted.path() for _ in range(20))))

    assert len(asyncio.run(scenario())) == 1
    assert len(web.requests) == 1


def status(code: int) -> Callable[[Request], None]:
    return lambda request: request.respond(code, RED)


def hang(request: Request) -> None:
    request.web.over.wait()


@pytest.mark.parametrize(
    ("answer", "reason", "for_good"),
    [
        (status(404), "404", True),
        (status(410), "410", True),
        (status(403), "403", True),
        (status(429), "429", False),
        (status(500), "500", False),
        (lambda request: request.respond(200, b"<html>sign in</html>"), "not an image", True),
        (lambda request: request.respond(200, b"<svg/>"), "SVG logos are not taken", True),
        (lambda request: request.respond(200, RED[:80]), "not an image", True),
        (lambda request: request.respond(200, b""), "not an image", True),
        (lambda request: request.respond(200, bytes(10 * 2**20 + 1)), "larger than", True),
        (lambda request: request.respond(302, Location=request.path), "redirect", False),
        (
            lambda request: request.respond(200, b"plain text", Content_Encoding="gzip"),
            "decompress",
            False,
        ),
        (hang, "Timeout", False),
    ],
)
def test_a_logo_the_user_set_and_that_cannot_be_had_is_never_replaced(
    web: Web,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[Request], None],
    reason: str,
    for_good: bool,
) -> None:
    monkeypatch.setattr(logo, "_FETCH_S", 0.5 if answer is hang else 20)
    web.answer = answer
    assert reason in reason_for_none(f"{web.url}/logo.png", folder, for_good=for_good)


@pytest.mark.parametrize(
    "source", ["/no/such/logo.png", "file:///no/such/logo.png", "ftp://x/y", "/", "http://"]
)
def test_a_source_that_is_not_there_is_never_replaced(folder: Path, source: str) -> None:
    reason_for_none(source, folder)


def test_a_server_that_is_not_there_may_come(folder: Path) -> None:
    reason_for_none(f"http://127.0.0.1:{free_ports(1)[0]}/logo.png", folder, for_good=False)


@pytest.mark.parametrize(
    ("is_container", "where"), [(True, "inside the container vm, "), (False, "on vm, ")]
)
def test_a_path_that_leads_nowhere_says_where_it_was_looked_for_and_as_whom(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_container: bool, where: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    monkeypatch.setattr(container_limits, "is_container", lambda: is_container)
    said = reason_for_none("/home/me/logo.png", folder)
    assert f"No such file or directory {where}for uid {os.getuid()}" in said
    assert ("LOGO_FILE" in said) == is_container


def test_a_pipe_is_no_logo(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in reason_for_none(str(tmp_path / "pipe"), folder)


def test_a_link_to_a_logo_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(RED)
    (tmp_path / "link").symlink_to(tmp_path / "logo.png")
    assert used(str(tmp_path / "link"), folder)[:3] == (255, 0, 0)


def test_a_bomb_is_no_logo(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**8)  # as where no image was opened yet
    (tmp_path / "bomb.png").write_bytes(images.encode(Image.new("1", (20_000, 20_000)), "PNG"))
    assert "not an image" in reason_for_none(str(tmp_path / "bomb.png"), folder)


def test_unset_and_not_to_be_had_the_bundled_mark_serves_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logo, "DEFAULT_URL", f"http://127.0.0.1:{free_ports(1)[0]}/logo.png")
    path = path_of(None, folder)
    with Image.open(path) as image, Image.open(FOLDER / "bundled_logo.png") as bundled:
        assert image.tobytes() == bundled.convert("RGBA").tobytes()
    assert "The bundled mark is used" in capsys.readouterr().out


def test_unset_the_default_logo_is_fetched(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logo, "DEFAULT_URL", f"{web.url}/logo.png")
    assert used(None, folder) == OPAQUE_RED


def test_a_failure_is_remembered_for_a_while_and_then_forgotten(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answer = status(503)

    async def scenario() -> None:
        async with logo_of(web.url, folder) as wanted:
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await wanted.path()
            assert len(web.requests) == 1
            web.answer = status(200)
            monkeypatch.setattr(logo, "_FAILURE_KEPT_S", 0)
            assert colour(await wanted.path()) == OPAQUE_RED

    asyncio.run(scenario())


def test_one_that_cannot_work_is_an_unhealthy_reason_until_it_is_mended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logo, "_FAILURE_KEPT_S", 0)
    path = tmp_path / "logo.png"

    async def scenario() -> None:
        async with logo_of(str(path), folder) as wanted:
            assert "No such file" in str(await wanted.unhealthy_reason())
            assert not await wanted.works()
            path.write_bytes(RED)
            assert await wanted.unhealthy_reason() is None
            assert await wanted.works()

    asyncio.run(scenario())


def test_one_that_may_soon_be_had_is_none_but_does_not_work(web: Web, folder: Path) -> None:
    web.answer = status(503)

    async def scenario() -> None:
        async with logo_of(web.url, folder) as wanted:
            assert await wanted.unhealthy_reason() is None
            assert not await wanted.works()

    asyncio.run(scenario())


def refreshed(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch, later: Callable[[Request], None]
) -> tuple[int, ...]:
    """The logo's colour when it has been looked for twice more."""
    monkeypatch.setattr(logo, "_FETCH_S", 20)

    async def scenario() -> tuple[int, ...]:
        async with logo_of(web.url, folder) as wanted:
            keeping = asyncio.create_task(repeat("the logo", wanted.refresh, 0.01))
            assert colour(await wanted.path()) == OPAQUE_RED
            monkeypatch.setattr(logo, "_FETCH_S", 0.1 if later is hang else 20)
            web.answer = later
            looks = len(web.requests)
            await until(lambda: keeping.done() or len(web.requests) >= looks + 3)
            assert not keeping.done()
            keeping.cancel()
            return colour(await wanted.path())

    return asyncio.run(scenario())


def not_modified_if_asked(request: Request) -> None:
    request.respond(304 if request.headers["If-None-Match"] == '"red"' else 200)


def test_a_refresh_brings_a_new_logo(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newer(request: Request) -> None:
        request.respond(200, BLUE)

    assert refreshed(web, folder, monkeypatch, newer) == (0, 0, 255, 255)


@pytest.mark.parametrize("later", [not_modified_if_asked, status(500), hang])
def test_a_refresh_that_brings_nothing_keeps_the_old_one(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch, later: Callable[[Request], None]
) -> None:
    assert refreshed(web, folder, monkeypatch, later) == OPAQUE_RED
    if later is not_modified_if_asked:
        assert web.requests[-1].headers["If-None-Match"] == '"red"'


def test_a_logo_that_somebody_tidied_away_is_fetched_again(web: Web, folder: Path) -> None:
    async def scenario() -> None:
        async with logo_of(web.url, folder) as wanted:
            await wanted.path()
            shutil.rmtree(folder)
            assert colour(await wanted.path()) == OPAQUE_RED

    asyncio.run(scenario())


PROXY = "socks5://127.0.0.1:1080"  # httpx has no module for it, and says so by ImportError


def test_a_proxy_of_a_kind_that_is_not_known_is_told(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert "socks" in reason_for_none(web.url, folder)


def test_with_such_a_proxy_and_no_logo_set_the_bundled_mark_is_used_and_looked_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)

    async def scenario() -> None:
        async with logo_of(None, folder) as wanted:
            keeping = asyncio.create_task(repeat("the logo", wanted.refresh, 0.01))
            for _ in range(3):  # the bundled mark first, then an hour later, and another
                await until(lambda: "cannot be had" in capsys.readouterr().out)
            assert (await wanted.path()).exists()
            assert not keeping.done()
            keeping.cancel()

    asyncio.run(scenario())
