"""DELETE /media/{media_id}: the image goes, its line and its name stay, and it cannot come back."""

import asyncio
import errno
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from archive.archive import Archive
from shared import durable
from shared.web import problems
from shared.web.opened_file import OpenedFile
from support.archive import (
    OTHER_ID,
    Crash,
    Steps,
    delete,
    log,
    logged,
    names,
    opened,
    remembered,
    step_of,
    tombstones,
)
from support.archive import deliver as deliver_to
from support.central import (
    FORM_HEAD,
    JPEG,
    MEDIA_ID,
    deliver,
    dial,
    log_lines,
    request_head,
    stored_names,
)
from support.services import InProcess, in_process, running, until

STEPS = ("fsync", "link", "replace", "symlink", "unlink", "write")
NAME = "watermarked_photo.jpg"
FORM = (
    f'--x\r\nContent-Disposition: form-data; name="media_id"\r\n\r\n{MEDIA_ID}\r\n'.encode()
    + FORM_HEAD
    + b"bytes\r\n--x--\r\n"
)
LATE_UPLOAD = request_head(f"Content-Length: {len(FORM)}") + FORM
DELETE = f"DELETE /media/{MEDIA_ID} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture
def central(tmp_path: Path) -> Iterator[InProcess]:
    env = {
        "STORAGE_DIR": str(tmp_path / "storage"),
        "ACTIVITY_LOG": str(tmp_path / "worker_activity.log"),
    }
    with in_process("central-server", env) as service:
        yield service


def test_a_deleted_image_is_gone_and_its_line_stays(central: InProcess, tmp_path: Path) -> None:
    deliver(central, media_id=MEDIA_ID)
    before = log_lines(tmp_path)
    answer = central.delete(f"/media/{MEDIA_ID}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert central.get(f"/media/{MEDIA_ID}").status_code == 404
    assert stored_names(tmp_path) == set()
    assert remembered(tmp_path) == []
    assert log_lines(tmp_path) == before
    assert central.delete(f"/media/{MEDIA_ID}").json()["code"] == "media_not_found"


@pytest.mark.parametrize("media_id", [MEDIA_ID, "x", "..%2F..%2Flog", MEDIA_ID.lower()])
def test_what_is_not_stored_cannot_be_deleted(central: InProcess, media_id: str) -> None:
    answer = central.delete(f"/media/{media_id}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_image_that_somebody_removed_by_hand_is_forgotten(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, media_id=MEDIA_ID)
    (tmp_path / "storage" / NAME).unlink()
    assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
    assert remembered(tmp_path) == []


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_media_that_comes_after_its_deletion_is_refused_for_good(
    central: InProcess, tmp_path: Path, is_stored: bool
) -> None:
    if is_stored:
        deliver(central, media_id=MEDIA_ID)
    before = log_lines(tmp_path)
    answer = central.delete(f"/media/{MEDIA_ID}")
    assert answer.status_code == (204 if is_stored else 404)
    for _ in range(2):
        refused = deliver(central, media_id=MEDIA_ID)
        assert (refused.status_code, refused.json()["code"]) == (410, "media_deleted")
        assert central.delete(f"/media/{MEDIA_ID}").status_code == 404
    assert stored_names(tmp_path) == set()
    assert remembered(tmp_path) == []
    assert list((tmp_path / "storage" / ".incoming").iterdir()) == []
    assert log_lines(tmp_path) == before


def test_what_is_no_media_id_gets_no_tombstone(central: InProcess, tmp_path: Path) -> None:
    for media_id in ("x", "..%2F..%2Flog", MEDIA_ID.lower()):
        assert central.delete(f"/media/{media_id}").status_code == 404
    assert tombstones(tmp_path) == []


def test_the_name_of_a_deleted_image_stays_taken_though_a_power_cut_takes_what_was_not_fsynced(
    central: InProcess, tmp_path: Path
) -> None:
    fsynced: list[str] = []
    fsync_dir = durable.fsync_dir

    def recorded(folder: Path) -> None:
        fsynced.append(folder.name)
        fsync_dir(folder)

    deliver(central, media_id=MEDIA_ID)
    with patch.object(durable, "fsync_dir", recorded):
        central.delete(f"/media/{MEDIA_ID}")
    assert fsynced == [".deleted", ".names", "storage"]
    assert (tmp_path / "storage" / ".names" / NAME).is_symlink()
    assert deliver(central).json()["name"] != NAME


def test_an_image_is_sent_whole_though_it_is_deleted_meanwhile(tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    with (
        running("central-server", tmp_path, {}) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        files, data = {"file": (NAME, content)}, {"worker_name": "me", "media_id": MEDIA_ID}
        client.post("/upload-final", files=files, data=data).raise_for_status()
        with client.stream("GET", f"/media/{MEDIA_ID}") as answer:
            assert client.delete(f"/media/{MEDIA_ID}").status_code == 204
            assert b"".join(answer.iter_bytes()) == content
        assert "Traceback" not in server.console()


def test_an_image_deleted_before_its_first_byte_is_sent_whole(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    answer = OpenedFile(path.open("rb"), "image/jpeg", "photo.jpg")
    path.unlink()
    transport = httpx.ASGITransport(answer)

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.get("/")

    assert asyncio.run(get()).content == JPEG


@pytest.mark.slow
@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("upload_first", [True, False])
def test_an_upload_that_waited_in_a_frozen_central_does_not_bring_the_image_back(
    tmp_path: Path, upload_first: bool, is_closed: bool
) -> None:
    """One that is closed is mostly taken for aborted; of a host that is gone none is closed."""
    requests = [LATE_UPLOAD, DELETE] if upload_first else [DELETE, LATE_UPLOAD]
    with running("central-server", tmp_path, {"STORAGE_DIR": "storage"}) as server:
        server.process.send_signal(signal.SIGSTOP)
        with ExitStack() as calls:
            for request in requests:
                call = calls.enter_context(dial(server))
                call.sendall(request)
                if request is DELETE:
                    deletion = call
                elif is_closed:
                    call.close()
            server.process.send_signal(signal.SIGCONT)
            assert deletion.recv(1000).startswith((b"HTTP/1.1 204 ", b"HTTP/1.1 404 "))
            until(lambda: settled(server.console()))
        url = f"{server.url}/media/{MEDIA_ID}"
        assert httpx.get(url, trust_env=False).status_code == 404
        assert stored_names(tmp_path) == set()
        assert remembered(tmp_path) == []


def settled(console: str) -> bool:
    """Whether the upload is over, one way or another."""
    return any(end in console for end in ("📦 stored", "media_deleted", "upload_aborted"))


@pytest.mark.parametrize("again", ["start", "delete"])
def test_a_crash_between_any_two_steps_of_a_deletion_leaves_what_is_finished_later(
    tmp_path: Path, again: str
) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        crashed = delivered_and_deleted(folder, failing_from=number)
        with opened(folder) as archive:
            if again == "delete":
                delete(archive)
            is_deleted = bool(tombstones(folder))
            assert is_deleted == (again == "delete" or number > 0), number
            if is_deleted:
                assert names(folder) == remembered(folder) == [], number
                assert_refused(archive)
        assert logged(folder) == ["photo.jpg"]
        if not crashed:
            break
    assert number == 7, "the steps of a deletion"


def test_an_upload_after_a_crash_of_the_deletion_is_known_or_refused_and_stores_nothing(
    tmp_path: Path,
) -> None:
    for number in range(7):
        folder = tmp_path / str(number)
        with opened(folder) as archive:
            deliver_to(archive)
            cut_short(archive, OSError(errno.EIO, "EIO"), number)
            if number == 0:
                assert deliver_to(archive)[1] is True
                assert archive.find(MEDIA_ID) is not None
            else:
                assert_refused(archive)
                assert archive.find(MEDIA_ID) is None
        assert logged(folder) == ["photo.jpg"]


def delivered_and_deleted(folder: Path, *, failing_from: int) -> bool:
    """Whether the deletion was cut short at that step; False where it has fewer."""
    with opened(folder) as archive:
        deliver_to(archive)
        return cut_short(archive, Crash(), failing_from)


def cut_short(archive: Archive, failure: BaseException, failing_from: int) -> bool:
    failing = Steps(failing_from, failure, steps=STEPS)
    try:
        with failing.failing():
            delete(archive)
    except type(failure):
        pass
    return failing.failed


def assert_refused(archive: Archive) -> None:
    with pytest.raises(problems.Problem, match="was deleted"):
        deliver_to(archive)


@pytest.mark.parametrize("half_a_write", [False, True])
def test_an_interrupted_delivery_is_deleted_and_stays_so(
    tmp_path: Path, half_a_write: bool
) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        with opened(folder) as archive:
            failing = interrupted_delivery(archive, number, half_a_write=half_a_write)
            delete(archive)
            assert names(folder) == remembered(folder) == [], number
            assert_refused(archive)
            deliver_to(archive, OTHER_ID)
        with opened(folder):
            assert names(folder) == logged(folder)[-1:]
            assert set(logged(folder)[:-1]) <= {"photo.jpg"}
        if not failing.failed:
            break
    assert number == 11, "the steps of a delivery"


def test_a_crash_while_an_interrupted_delivery_is_deleted_leaves_no_orphan(tmp_path: Path) -> None:
    for delivered, deleted in itertools.product(range(11), range(7)):
        folder = tmp_path / f"{delivered}-{deleted}"
        with opened(folder) as archive:
            interrupted_delivery(archive, delivered)
            cut_short(archive, Crash(), deleted)
        with opened(folder) as archive:
            delete(archive)
            assert names(folder) == remembered(folder) == [], folder.name
            assert_refused(archive)
        assert log(folder) == "" or logged(folder) == ["photo.jpg"]


def interrupted_delivery(
    archive: Archive, failing_from: int, *, half_a_write: bool = False
) -> Steps:
    failing = Steps(failing_from, OSError(errno.EIO, "EIO"), half_a_write=half_a_write)
    with failing.failing(), suppress(OSError):
        deliver_to(archive)
    return failing


def test_the_deletion_of_an_interrupted_delivery_spares_a_foreign_file(tmp_path: Path) -> None:
    foreign = tmp_path / "storage" / "photo.jpg"
    with opened(tmp_path) as archive:
        interrupted_delivery(archive, step_of("link"))
        foreign.write_bytes(b"somebody's own")
        assert delete(archive)
    assert foreign.read_bytes() == b"somebody's own"


def test_a_start_that_cannot_finish_a_deletion_does_not_store_it_instead(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        interrupted_delivery(archive, step_of("write", 2))
        assert cut_short(archive, Crash(), 2)
    failing = Steps(0, OSError(errno.EIO, "EIO"), steps=("unlink",))
    with failing.failing(), opened(tmp_path) as archive:
        assert archive.find(MEDIA_ID) is None
        assert logged(tmp_path) == []
    with opened(tmp_path):
        assert names(tmp_path) == remembered(tmp_path) == logged(tmp_path) == []


def test_a_deletion_makes_room_on_a_disk_without_any(central: InProcess, tmp_path: Path) -> None:
    deliver(central, media_id=MEDIA_ID)
    symlink = os.symlink

    def with_room(*args: Any, **options: Any) -> None:
        if stored_names(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        symlink(*args, **options)

    with patch.object(os, "symlink", with_room):
        assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
    assert remembered(tmp_path) == []
    assert deliver(central, media_id=MEDIA_ID).status_code == 410


def test_without_a_tombstone_nothing_is_said_to_be_deleted(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, media_id=MEDIA_ID)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for media_id in (MEDIA_ID, OTHER_ID):
        with Steps(0, full, steps=("symlink",)).failing():
            answer = central.delete(f"/media/{media_id}")
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert stored_names(tmp_path) == set()
    assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
    assert deliver(central, media_id=MEDIA_ID).status_code == 410
