"""File names as hostile as a client can send them: each stays one, on disk and on the console."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.fast import FORM_TYPE, Gateway, form, gateway
from support.services import in_process

PHOTO = images.jpeg(size=(32, 32))
NAMES: list[tuple[bytes, str]] = [
    (b"../../etc/passwd", "passwd"),
    (b"/etc/passwd", "passwd"),
    (b"..", "upload"),
    (b"....//....//x", "x"),
    (b"..\\..\\windows\\x.jpg", "x.jpg"),
    (b"C:\\x\\photo.jpg", "photo.jpg"),
    (b"a\nb.jpg", "ab.jpg"),
    (b"a\x00b.jpg", "ab.jpg"),
    (b"\x1b[2J\x1b]0;owned\x07.jpg", "[2J]0;owned.jpg"),
    (b"\xc2\x9b31mred.jpg", "31mred.jpg"),
    ("a\u2028b\u2029c\x85d.jpg".encode(), "abcd.jpg"),
    ("\u202egpj.exe".encode(), "gpj.exe"),
    (b"a | IMAGE: b.jpg", "a _ IMAGE: b.jpg"),
    (b"status=202 code=ok.jpg", "status=202 code=ok.jpg"),
    (b"media.json", "upload_media.json"),
    (b"progress.json", "upload_progress.json"),
    (b".lock", "lock"),
    (".\xa0.lock".encode(), "lock"),
    (b".media.json.new", "media.json.new"),
    (b"", "upload"),
    (b"\xff\xfe\xe9.jpg", "ÿþé.jpg"),
    ("صورة.jpg".encode(), "صورة.jpg"),
    ("👩‍👩‍👧.jpg".encode(), "👩‍👩‍👧.jpg"),
    (("👩" * 100 + ".jpg").encode(), "👩" * 53 + ".jpg"),
    (b"x" * 300 + b".jpg", "x" * 212 + ".jpg"),
    (b"-rf *.jpg", "-rf *.jpg"),
]


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


@pytest.mark.parametrize(("sent", "kept"), NAMES, ids=[ascii(kept)[:40] for _, kept in NAMES])
def test_a_name_stays_inside_its_folder(fast: Gateway, sent: bytes, kept: str) -> None:
    answer = fast.post_form(form(PHOTO, sent))
    assert answer.status_code == 202, answer.text
    assert answer.json()["filename"] == kept
    folder = fast.uploads / "pending" / answer.json()["media_id"]
    assert Path(answer.json()["storage_path"]) == folder / kept
    assert (folder / kept).read_bytes() == PHOTO
    assert {path.name for path in folder.iterdir()} == {kept, "media.json"}
    assert json.loads((folder / "media.json").read_bytes())["filename"] == kept
    assert {path.name for path in fast.uploads.iterdir()} == {
        "incoming",
        "pending",
        "failed",
        "done",
        ".idempotency",
        ".index",
    }


# The headers of a part as clients write them for 日本 1.jpg, and for one whose name is ASCII.
OF_CLIENTS = {
    "curl": 'Content-Disposition: form-data; name="file"; filename="日本 1.jpg"',
    "browsers": 'Content-Disposition: form-data; name="file"; filename="日本 1.jpg"\r\n'
    "Content-Type: image/jpeg",
    ".NET": "Content-Type: image/jpeg\r\nContent-Disposition: form-data; name=file; "
    'filename="=?utf-8?B?5pel5pysIDEuanBn?="; '
    "filename*=utf-8''%E6%97%A5%E6%9C%AC%201.jpg",
    ".NET, the old one": "Content-Disposition: form-data; name=file; "
    'filename="=?utf-8?B?5pel5pysIDEuanBn?="',
    "requests, as it was": 'Content-Disposition: form-data; name="file"; '
    "filename*=utf-8''%E6%97%A5%E6%9C%AC%201.jpg",
    "RFC 6266 with a fallback": 'Content-Disposition: form-data; name="file"; '
    "filename=\"__ 1.jpg\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%201.jpg",
    "aiohttp": "Content-Type: image/jpeg\r\nContent-Disposition: form-data; "
    'name="file"; filename="%E6%97%A5%E6%9C%AC%201.jpg"',
}


@pytest.mark.parametrize("headers", OF_CLIENTS.values(), ids=OF_CLIENTS)
def test_a_real_name_is_kept_however_a_client_writes_it(
    fast: Gateway, tmp_path: Path, headers: str
) -> None:
    body = b"--x\r\n%b\r\n\r\n%b\r\n" % (headers.encode(), PHOTO)
    assert fast.post_form(body + b"--x--\r\n").json()["filename"] == "日本 1.jpg"
    worker = b'--x\r\nContent-Disposition: form-data; name="worker_name"\r\n\r\nme\r\n--x--\r\n'
    env = {"STORAGE_DIR": str(tmp_path / "storage"), "ACTIVITY_LOG": str(tmp_path / "log")}
    with in_process("central-server", env) as central:
        form_type = {"Content-Type": FORM_TYPE}
        answer = central.post("/upload-final", content=body + worker, headers=form_type)
    assert answer.json()["name"] == "日本 1.jpg"


LINE = re.compile(
    r"[\d-]{10}T[\d:.]{12}[+-]\d\d:\d\d \S+ [a-z]+( [a-z0-9_]+=([^\s\"=]+|\"([^\"\\]|\\.)+\"))+"
)


def test_the_console_has_one_line_an_event_that_a_program_can_read(tmp_path: Path) -> None:
    """Whatever a name holds, no line is broken, forged, coloured or without its fields."""
    names = [sent for sent, _ in NAMES]
    with gateway(tmp_path) as fast:
        accepted = [fast.post_form(form(PHOTO, name)).json()["media_id"] for name in names]
        for name in names:
            assert fast.post_form(form(b"no image at all", name)).status_code == 415
        assert fast.post_form(form(PHOTO, b'"\r\nInjected: x')).status_code == 202
        assert fast.post_form(b"--x\r\nnot a header\r\n").status_code == 422
        for path in ("/%0a%1b[31mred", "/media/%0d%0a%e2%80%a8%c2%9b", "/media/a%22b=c%20d"):
            assert fast.http.get(path).status_code == 404
        said = fast.server.console()
    lines = [line for line in said.split("\n") if line and not line.startswith("INFO:")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert re.findall(r"[^\n\x20-\x7e\xa0-\U0010ffff]|[\u2028-\u202e]", said) == []
    received = [line for line in lines if "📥 received" in line]
    assert [line.split("media_id=")[1][:26] for line in received[: len(names)]] == accepted
    assert len(received) == len(names) + 1
    assert len([line for line in lines if "🚫 refused" in line]) == len(names) + 4
    assert len(lines) == len(received) + len(names) + 4 + 1  # and 🚀 ready
