"""Stored images in one ZIP: what is in it, what is left out, and what breaks it off."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile

import httpx
import pytest
from ulid import ULID

from shared.contract import FileRecord, Status
from shared.redis import events
from shared.redis.events import EVENTS_KEY, Event
from shared.spool import Spool
from support import images
from support.fast import MIB, Gateway, assert_problem, gateway
from support.services import Server, running, until

PHOTO = images.jpeg(size=(64, 48))
LARGE = 40 * MIB  # more than sockets hold
SITE = "https://shop.example"


class Services(NamedTuple):
    fast: Gateway
    central: Server

    def post(self, ref: str | None = None, name: str = "photo.jpg", batch: str = "") -> str:
        data = {} if ref is None else {"ref": ref}
        answer = self.fast.http.post(
            "/media", files={"file": (name, PHOTO)}, data={**data, "batch": batch}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["media_id"])

    def add(
        self,
        content: bytes,
        ref: str | None = None,
        name: str = "photo.jpg",
        batch: str = "",
        ending: str = ".jpg",
    ) -> str:
        """An image that central has, as a worker leaves it."""
        media_id = self.post(ref, name, batch)
        name = f"watermarked_{os.path.splitext(name)[0]}"[:200] + ending
        answer = httpx.post(
            f"{self.central.url}/upload-final",
            files={"file": (name, content, "image/jpeg")},
            data={"worker_name": "worker-1", "media_id": media_id},
            trust_env=False,
        ).json()
        self.settle(
            media_id,
            {
                "name": answer["name"],
                "sha256": answer["sha256"],
                "size": len(content),
                "stored_at": "2026-01-15T14:30:45.123Z",
            },
        )
        return media_id

    def settle(self, media_id: str, stored: FileRecord | None) -> None:
        with Spool(self.fast.uploads).hold(media_id) as media:
            media.progress |= {"status": Status.STORED, "stored": stored}
            media.settle("done")

    def fail(self, media_id: str) -> None:
        with Spool(self.fast.uploads).hold(media_id) as media:
            error = {"code": "corrupt_image", "detail": "It ends\nearly,\tafter 3 of 48 lines."}
            media.progress |= {"status": Status.FAILED, "error": error}  # type: ignore[typeddict-item]
            media.settle("failed")

    def image(self, media_id: str) -> Path:
        """The file that central has."""
        storage = self.fast.uploads.parent / "central" / "central_storage"
        stored = self.fast.http.get(f"/media/{media_id}").json()["stored"]
        return storage / str(stored["name"])

    def archive(self, batch: str) -> httpx.Response:
        return self.fast.http.get(f"/batches/{batch}/archive.zip")

    def chosen(self, *media_ids: str) -> httpx.Response:
        return self.fast.http.post("/archive", data={"media_id": media_ids})


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    (folder / "central").mkdir()
    with running("central-server", folder / "central", {"MIN_FREE_MB": "0"}) as central:
        url = f"{central.url}/upload-final"
        with gateway(folder, CENTRAL_SERVER_URL=url, ALLOWED_ORIGINS=SITE) as fast:
            until(lambda: fast.http.get("/media").json()["complete"])
            yield Services(fast, central)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("services")) as both:
        yield both


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Services]:
    with services(tmp_path) as both:
        yield both


def files(answer: httpx.Response) -> dict[str, bytes]:
    """What a whole ZIP has, by its names."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Length"] == str(len(answer.content))
    with ZipFile(BytesIO(answer.content)) as opened:
        names = opened.namelist()
        assert len({*names}) == len(names)
        return {name: opened.read(name) for name in names}


NESTED = [  # ref, the name of the upload, and what it is called in the archive
    ("holiday/2026/IMG_1.jpg", "IMG_1.jpg", "holiday/2026/IMG_1.jpg"),
    ("holiday/2025/IMG_1.jpg", "IMG_1.jpg", "holiday/2025/IMG_1.jpg"),
    ("holiday/2025/again.jpg", "IMG_1.jpg", "holiday/2025/IMG_1 (2).jpg"),
    ("holiday/2025/case.jpg", "img_1.JPG", "holiday/2025/img_1 (3).JPG"),
    (None, "IMG_1.jpg", "IMG_1.jpg"),
    ("flat.jpg", "with space 🎉.jpg", "with space 🎉.jpg"),
    ("日本/1.jpg", "写真.jpg", "日本/写真.jpg"),
    ("../../etc/1.jpg", "passwd.jpg", "etc/passwd.jpg"),
    ("/root/1.jpg", "a.jpg", "root/a.jpg"),
    ("C:\\Users\\me\\1.jpg", "a.jpg", "Users/me/a.jpg"),
    ("x" * 255 + "/1.jpg", "y" * 212 + ".jpg", "x" * 255 + "/" + "y" * 212 + ".jpg"),
    ("n/1.jpg", "left out.txt.jpg", "n/left out.txt.jpg"),
]


def test_a_batch_comes_in_the_folders_of_its_refs(lasting: Services, tmp_path: Path) -> None:
    batch, expected = str(ULID()), dict[str, bytes]()
    for n, (ref, name, path) in enumerate(NESTED):
        expected[path] = b"%d" % n * (n * 10_000 + 1)
        lasting.add(expected[path], ref, name, batch, os.path.splitext(name)[1])
    answer = lasting.archive(batch)
    assert files(answer) == expected
    assert list(files(answer)) == list(expected)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].startswith(
        f'attachment; filename="batch-{batch[:8]}.zip"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (answer.headers["Archive-Images"], answer.headers["Archive-Left-Out"]) == ("12", "0")
    assert lasting.archive(batch).content == answer.content
    with ZipFile(BytesIO(answer.content)) as opened:
        assert {info.compress_type for info in opened.infolist()} == {ZIP_STORED}
    (tmp_path / "batch.zip").write_bytes(answer.content)
    unpacked = {}
    for file in unpack(tmp_path):
        unpacked[file.relative_to(tmp_path / "out").as_posix()] = file.read_bytes()
    assert unpacked == expected


def unpack(folder: Path) -> Iterator[Path]:
    """As Python does it."""
    with ZipFile(folder / "batch.zip") as opened:
        opened.extractall(folder / "out")
    yield from (path for path in (folder / "out").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "command", [["unzip", "-tq", "some.zip"], ["bsdtar", "-xf", "some.zip", "-C", "out"]]
)
def test_other_programs_unpack_it(lasting: Services, tmp_path: Path, command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]}: on Debian, apt install unzip libarchive-tools")
    media_ids = [lasting.add(b"%d" % n * 70_000, "日本 🎉/a b/1.jpg") for n in range(3)]
    answer = lasting.chosen(*media_ids, lasting.post())
    (tmp_path / "some.zip").write_bytes(answer.content)
    (tmp_path / "out").mkdir()
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    if command[0] == "bsdtar":
        out = tmp_path / "out"
        assert (out / "日本 🎉" / "a b" / "photo (3).jpg").read_bytes() == b"2" * 70_000


def test_what_is_not_stored_is_listed_with_its_reason(lasting: Services) -> None:
    batch = str(ULID())
    stored = lasting.add(b"stored", "a/1.jpg", batch=batch)
    failed, waits = lasting.post("a/2.jpg", batch=batch), lasting.post("b/3.jpg", batch=batch)
    lasting.fail(failed)
    lost = lasting.post(batch=batch)
    lasting.settle(lost, None)
    answer = lasting.archive(batch)
    content = files(answer)
    assert {name: content[name] for name in content if name != "left out.txt"} == {
        "a/photo.jpg": b"stored"
    }
    assert (answer.headers["Archive-Images"], answer.headers["Archive-Left-Out"]) == ("1", "3")
    unknown = str(ULID())
    head, *lines = content["left out.txt"].decode().splitlines()
    assert head == "path\tmedia_id\tstatus\treason"
    assert lines == [
        f"a/photo (2).jpg\t{failed}\tfailed\tIt ends early, after 3 of 48 lines.",
        f"b/photo.jpg\t{waits}\tqueued\tIt waits for a worker to watermark it.",
        f"photo.jpg\t{lost}\tstored\tIts record does not say what central has stored: "
        f"GET /media/{lost}/image may have it.",
    ]
    with_unknown = files(lasting.chosen(unknown, stored))["left out.txt"].decode()
    assert with_unknown.splitlines()[1:] == [
        f"{unknown}\t{unknown}\tunknown\tThere is no such media: it was removed, or there never "
        "was one."
    ]


def test_no_image_takes_the_name_of_the_list(lasting: Services) -> None:
    media_ids = [
        lasting.add(b"an image", None, "left out.txt", ending=".txt"),
        lasting.add(b"in a folder", "Left out (2).txt/1.jpg"),
        lasting.post(),
    ]
    content = files(lasting.chosen(*media_ids))
    assert list(content) == ["left out (3).txt", "Left out (2).txt/photo.jpg", "left out.txt"]
    assert content["left out (3).txt"] == b"an image"


def test_where_nothing_is_stored_it_says_why(lasting: Services) -> None:
    answer = lasting.chosen(lasting.post())
    assert list(files(answer)) == ["left out.txt"]
    assert (answer.headers["Archive-Images"], answer.headers["Archive-Left-Out"]) == ("0", "1")


def test_the_ending_is_that_of_the_stored_file(lasting: Services) -> None:
    media_id = lasting.add(b"converted", "a/1.heic", "IMG.heic", ending=".jpg")
    assert list(files(lasting.chosen(media_id))) == ["a/IMG.jpg"]


def test_the_oldest_comes_first_and_doubles_count_once(lasting: Services) -> None:
    media_ids = [lasting.add(b"%d" % n) for n in range(3)]
    answer = lasting.chosen(*media_ids[::-1], *media_ids)
    assert list(files(answer).values()) == [b"0", b"1", b"2"]
    said = answer.headers["Content-Disposition"]
    assert re.match(r'attachment; filename="images-\d{4}-\d\d-\d\d.zip"', said)


@pytest.mark.parametrize("options", [["-d", "media_id={}"], ["-F", "media_id={}"]])
def test_curl_can_choose(lasting: Services, tmp_path: Path, options: list[str]) -> None:
    media_ids = [lasting.add(b"%d" % n, f"{n}/1.jpg") for n in range(2)]
    chosen = [option.format(one) for one in media_ids for option in options]
    command = ["curl", "-sS", "--fail-with-body", "-OJ", *chosen]
    subprocess.run([*command, f"{lasting.fast.server.url}/archive"], cwd=tmp_path, check=True)
    [saved] = tmp_path.glob("images-*.zip")
    with ZipFile(saved) as opened:
        assert opened.namelist() == ["0/photo.jpg", "1/photo.jpg"]


def test_a_page_of_the_service_may_post_a_form_and_one_of_another_site_may_not(
    lasting: Services,
) -> None:
    media_id = lasting.add(b"x")
    asked, own = {"media_id": media_id}, lasting.fast.server.url

    def post(origin: str) -> httpx.Response:
        return lasting.fast.http.post("/archive", data=asked, headers={"Origin": origin})

    assert list(files(post(own))) == ["photo.jpg"]
    allowed = post(SITE)
    assert list(files(allowed)) == ["photo.jpg"]
    exposed = allowed.headers["Access-Control-Expose-Headers"]
    assert {"Archive-Images", "Archive-Left-Out"} <= {*exposed.split(", ")}
    assert_problem(post("https://evil.example"), 403, "cross_site")


def many(number: int) -> list[str]:
    return [str(ULID()) for _ in range(number)]


def test_a_choice_that_cannot_be_is_refused(lasting: Services) -> None:
    fast, media_id = lasting.fast, str(ULID())
    for sent in ("photo-1", "", media_id.lower(), f"{media_id}x"):
        assert_problem(lasting.chosen(media_id, sent), 422, "bad_media_id")
    assert_problem(fast.http.post("/archive", data={"media": media_id}), 422, "media_id_missing")
    assert_problem(fast.http.post("/archive", files={"x": b""}), 422, "media_id_missing")
    assert_problem(lasting.chosen(*many(5001)), 422, "too_many_images")
    assert_problem(fast.http.post("/archive", content=b"{}"), 415, "not_a_form")
    as_json = fast.http.post("/archive", json={"media_id": [media_id]})
    assert "curl -d" in assert_problem(as_json, 415, "not_a_form")["detail"]
    misspelt = fast.http.post("/archive?media_id=1", data={"media_id": media_id})
    assert_problem(misspelt, 422, "unknown_parameter")


def test_5000_can_be_chosen_either_way_and_twice(lasting: Services) -> None:
    media_ids = many(5000)
    answer = lasting.chosen(*media_ids, *media_ids)
    assert answer.headers["Archive-Left-Out"] == "5000"
    fields = [("media_id", (None, media_id)) for media_id in media_ids]
    answer = lasting.fast.http.post("/archive", files=fields)
    assert answer.headers["Archive-Left-Out"] == "5000"
    assert len(files(answer)["left out.txt"].splitlines()) == 5001


def test_a_line_that_ends_may_choose(lasting: Services) -> None:
    """As curl --data-binary @file sends it."""
    body = b"media_id=%b\n" % lasting.add(b"x").encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = lasting.fast.http.post("/archive", content=body, headers=headers)
    assert list(files(answer)) == ["photo.jpg"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_that_is_too_large_is_refused_before_it_has_come(
    lasting: Services, kind: str
) -> None:
    head = f"POST /archive HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}; boundary=x\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    for header, body in (
        ("Content-Length: 3000000", b""),
        ("Transfer-Encoding: chunked", chunk * 40),
    ):
        with lasting.fast.connect() as connection:
            connection.sendall(f"{head}{header}\r\n\r\n".encode() + body)
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, json.load(answer)["code"]) == (413, "form_too_large")


def test_a_batch_of_very_many_is_to_be_fetched_in_parts(lasting: Services) -> None:
    batch, redis = str(ULID()), lasting.fast.redis.client
    media_id = lasting.post(batch=batch)
    with Spool(lasting.fast.uploads).hold(media_id) as media:
        item = events.now(media)
    with redis.pipeline(transaction=False) as pipe:
        for one in many(10_000):
            pipe.xadd(
                EVENTS_KEY, {"item": events.encoded({**item, "media_id": one}, Event.RECEIVED)}
            )
        pipe.execute()
    url = f"/batches/{batch}"
    until(lambda: lasting.fast.http.get(url).json()["total"] == 10_001)
    problem = assert_problem(lasting.archive(batch), 422, "too_many_images")
    assert "more than 10,000" in problem["detail"]
    assert "POST /archive" in problem["detail"]
    redis.xadd(EVENTS_KEY, {"item": events.removed(media_id)})
    until(lambda: lasting.fast.http.get(url).json()["total"] == 10_000)
    assert lasting.archive(batch).headers["Archive-Left-Out"] == "10000"


def test_head_says_how_long_it_is_and_asks_nobody_for_an_image(own: Services) -> None:
    batch = str(ULID())
    own.add(b"x" * 1000, batch=batch)
    whole = own.archive(batch)
    own.central.process.kill()
    own.central.process.wait()
    head = own.fast.http.head(f"/batches/{batch}/archive.zip")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Content-Disposition", "Archive-Images", "Archive-Left-Out"):
        assert head.headers[name] == whole.headers[name]
    refused = own.archive(batch)
    assert_problem(refused, 503, "central_unreachable")
    assert refused.headers["Retry-After"] == "5"
    assert "zip" not in refused.headers.get("Content-Disposition", "")


def assert_left_out(lasting: Services, media_ids: list[str], lost: str) -> None:
    """An archive has all of these but the one that central has lost, and says why."""
    content = files(lasting.chosen(*media_ids))
    [_, line] = content.pop("left out.txt").decode().splitlines()
    assert line.split("\t")[1:3] == [lost, "stored"]
    assert "Central has no image of it any more" in line
    assert len(content) == len(media_ids) - 1


def test_an_image_that_central_has_no_more_breaks_no_more_than_one_archive(
    lasting: Services,
) -> None:
    media_ids = [lasting.add(b"x", f"{n}/1.jpg") for n in range(3)]
    lasting.image(media_ids[1]).unlink()
    with pytest.raises(httpx.RemoteProtocolError):
        lasting.chosen(*media_ids)
    assert_left_out(lasting, media_ids, media_ids[1])


def test_one_at_the_beginning_breaks_none(lasting: Services) -> None:
    media_ids = [lasting.add(b"x", f"{n}/1.jpg") for n in range(3)]
    lasting.image(media_ids[0]).unlink()
    assert_left_out(lasting, media_ids, media_ids[0])


@pytest.mark.parametrize("content", [b"y" * 100, b"x" * 99, b"x" * 101, b""])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_image_that_is_not_the_one_that_was_stored_breaks_it(
    lasting: Services, content: bytes, is_first: bool
) -> None:
    media_ids = [lasting.add(b"x" * 100) for _ in range(2)]
    changed = media_ids[0 if is_first else 1]
    lasting.image(changed).write_bytes(content)
    with pytest.raises(httpx.RemoteProtocolError):
        lasting.chosen(*media_ids)
    console = lasting.fast.server.console()
    assert f"broke off at media {changed}: central has another image" in console
    assert "Traceback" not in console
    assert_left_out(lasting, media_ids, changed)


@contextmanager
def begun(own: Services, batch: str) -> Iterator[Iterator[bytes]]:
    """An archive in the middle of its first image, of which there is more than sockets hold."""
    with own.fast.http.stream("GET", f"/batches/{batch}/archive.zip") as answer:
        assert answer.status_code == 200, answer.read()
        pieces = answer.iter_raw()
        next(pieces)
        yield pieces


def breaks(pieces: Iterator[bytes]) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        for _ in pieces:
            pass


def large(own: Services) -> str:
    """A batch with a large image, and a small one behind it."""
    batch = str(ULID())
    own.add(bytes(LARGE), batch=batch)
    own.add(b"small", batch=batch)
    return batch


def test_central_killed_in_the_middle_breaks_it(own: Services) -> None:
    with begun(own, large(own)) as pieces:
        own.central.process.kill()
        breaks(pieces)
    console = own.fast.server.console()
    assert "central's answer broke off" in console
    assert "Traceback" not in console


def test_an_image_deleted_in_the_middle_breaks_it(own: Services) -> None:
    batch = large(own)
    last = own.fast.http.get("/media", params={"batch": batch}).json()["media"][0]["media_id"]
    with begun(own, batch) as pieces:
        assert own.fast.http.delete(f"/media/{last}").status_code == 204
        breaks(pieces)
    assert f"broke off at media {last}: Media {last} is not stored" in own.fast.server.console()
    assert list(files(own.archive(batch))) == ["photo.jpg"]  # the next one is whole again


def test_one_that_is_deleted_while_it_is_sent_comes_whole(own: Services) -> None:
    batch = str(ULID())
    media_id = own.add(bytes(LARGE), batch=batch)
    with begun(own, batch) as pieces:
        assert own.fast.http.delete(f"/media/{media_id}").status_code == 204
        assert sum(map(len, pieces)) > LARGE - MIB


def test_sigterm_of_the_gateway_breaks_it_at_once(own: Services) -> None:
    batch = large(own)
    with ExitStack() as opened:
        streams = [opened.enter_context(begun(own, batch)) for _ in range(3)]
        own.fast.server.process.send_signal(signal.SIGTERM)
        for pieces in streams:
            breaks(pieces)
        assert own.fast.server.process.wait(20) in (0, -signal.SIGTERM)
    assert own.fast.server.console().count("this service ends") == 3
    assert "Traceback" not in own.fast.server.console()


def open_files(server: Server) -> list[str]:
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return [str(link.readlink()) for link in links if link.is_symlink()]


def test_clients_that_leave_are_left_by_central_and_make_room(own: Services) -> None:
    batch = large(own)
    name = str(own.image(own.fast.http.get("/media").json()["media"][1]["media_id"]))
    with ExitStack() as opened:
        for _ in range(8):
            opened.enter_context(begun(own, batch))
        assert name in open_files(own.central)
        refused = own.archive(batch)
        assert_problem(refused, 503, "too_many_archives")
        assert refused.headers["Retry-After"] == "5"
    until(lambda: name not in open_files(own.central))
    assert len(files(own.archive(batch))) == 2
    assert "Traceback" not in own.fast.server.console()


@pytest.mark.slow
def test_a_frozen_central_is_not_waited_for(own: Services) -> None:
    batch = large(own)
    with begun(own, batch) as pieces:
        own.central.process.send_signal(signal.SIGSTOP)
        try:
            breaks(pieces)
        finally:
            own.central.process.send_signal(signal.SIGCONT)
    assert "TimeoutError" in own.fast.server.console()
    assert len(files(own.archive(batch))) == 2
