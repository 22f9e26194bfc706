"""The programs that fast-server/README.md shows do what it says of them."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.stack import ROOT, Stack
from support.images import jpeg
from support.services import until
from support.web_server import Request, Web

LOGO = str(ROOT / "worker-server" / "bundled_logo.png")
README = (ROOT / "fast-server" / "README.md").read_text()
SECTION = README.split("### From a program\n")[1].split("\n## ")[0]
GOOD = jpeg(size=(64, 48))
BROKEN, NO_IMAGE = jpeg()[:4000], b"no image"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""


def language(name: str, command: list[str], *tools: list[str], debian: str = "") -> Any:
    """Skipped where a tool is missing or does not work."""
    missing = [tool[0] for tool in tools if not shutil.which(tool[0]) or not works(tool)]
    why = f"{missing} cannot be used here; on Debian: apt install {debian}"
    return pytest.param(name, command, id=name, marks=pytest.mark.skipif(bool(missing), reason=why))


def works(tool: list[str]) -> bool:
    return subprocess.run(tool, capture_output=True).returncode == 0


languages = pytest.mark.parametrize(
    ("name", "command"),
    [
        language("sh", ["sh"], ["curl", "-V"], ["jq", "-V"], debian="curl jq"),
        language("python", [sys.executable]),
        language("js", ["node"], ["node", "-v"], debian="nodejs"),
        language("php", ["php"], ["php", "-r", "curl_init();"], debian="php-cli php-curl"),
    ],
)


def blocks(name: str) -> list[str]:
    return re.findall(rf"^```{name}\n(.*?)^```$", SECTION, re.M | re.S)


def run(
    stack: Stack, folder: Path, name: str, command: list[str], photo: bytes
) -> subprocess.CompletedProcess[str]:
    """The README's program in a folder with a photo. Only the address is another."""
    program = "\n".join(blocks(name))
    assert "http://localhost:8000" in program
    path = folder / ("program.mjs" if name == "js" else "program")
    path.write_text(program.replace("http://localhost:8000", stack.url))
    (folder / "photo.jpg").write_bytes(photo)
    return subprocess.run([*command, path], cwd=folder, capture_output=True, text=True, timeout=90)


def media_of(stack: Stack) -> list[dict[str, Any]]:
    """Those that the programs have posted, the newest first."""
    [batch] = {*re.findall(r"\b01[0-9A-Z]{24}\b", SECTION)}
    answer = httpx.get(f"{stack.url}/media", params={"batch": batch}, trust_env=False)
    media: list[dict[str, Any]] = answer.json()["media"]
    return media


@languages
def test_each_saves_the_result(stack: Stack, tmp_path: Path, name: str, command: list[str]) -> None:
    ended = run(stack, tmp_path, name, command, GOOD)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    newest = media_of(stack)[0]
    assert (newest["ref"], newest["filename"], newest["size"]) == ("photo.jpg",) * 2 + (len(GOOD),)
    image = httpx.get(f"{stack.central_url}/media/{newest['media_id']}", trust_env=False)
    assert (tmp_path / "result.jpg").read_bytes() == image.content


@languages
@pytest.mark.parametrize(
    ("photo", "reason"),
    [(BROKEN, "failed: The image is damaged"), (NO_IMAGE, "refused: photo.jpg holds none of JPEG")],
    ids=["failed", "refused"],
)
def test_each_says_why_there_is_no_result(
    stack: Stack,
    tmp_path: Path,
    name: str,
    command: list[str],
    photo: bytes,
    reason: str,
) -> None:
    ended = run(stack, tmp_path, name, command, photo)
    assert ended.returncode != 0
    assert reason in ended.stdout + ended.stderr
    assert not (tmp_path / "result.jpg").exists()


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium; on Debian: apt install chromium")
def test_the_javascript_does_the_same_in_a_browser(tmp_path: Path) -> None:
    function, _ = blocks("js")
    said: list[bytes] = []

    def answer(request: Request) -> None:
        if request.command == "POST":
            said.append(request.body)
        request.respond(200, page.encode(), Content_Type="text/html; charset=utf-8")

    with (
        Web(answer) as shop,
        Stack(tmp_path / "run", {"GOOGLE_LOGO": LOGO, "ALLOWED_ORIGINS": shop.url}) as stack,
    ):
        photos = [base64.b64encode(photo).decode() for photo in (GOOD, BROKEN)]
        page = f"""<script type="module">
            {function}
            for (const photo of {json.dumps(photos)}) {{
              const bytes = Uint8Array.from(atob(photo), (char) => char.charCodeAt(0));
              const file = new File([bytes], "photo.jpg");
              const said = await watermarked(file, file.name, "{stack.url}").catch(String);
              await fetch("/", {{ method: "POST", body: said }});
            }}
            </script>"""
        options = ["--headless", "--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}"]
        browser = subprocess.Popen([CHROMIUM, *options, shop.url], stderr=subprocess.DEVNULL)
        try:
            until(lambda: len(said) == 2)
        finally:
            browser.kill()
            browser.wait()
        newest = next(item for item in media_of(stack) if item["state"] == "done")
        image = httpx.get(f"{stack.central_url}/media/{newest['media_id']}", trust_env=False)
        assert said[0] == image.content
        assert said[1].startswith(b"Error: failed: The image is damaged")
