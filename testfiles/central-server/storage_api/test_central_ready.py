"""What central cannot use ends its start with a sentence, or is a 503 while it runs."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.central import JPEG, MEDIA_ID, deliver
from support.services import InProcess, Server, in_process


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    log = str(tmp_path / "worker_activity.log")
    return {"STORAGE_DIR": str(tmp_path / "storage"), "ACTIVITY_LOG": log}


@pytest.fixture
def central(env: dict[str, str]) -> Iterator[InProcess]:
    with in_process("central-server", env) as service:
        yield service


def test_a_log_that_has_become_a_pipe_is_told(central: InProcess, tmp_path: Path) -> None:
    log = tmp_path / "worker_activity.log"
    log.unlink()
    os.mkfifo(log)
    for answer in (central.get("/ready"), deliver(central)):
        assert answer.status_code == 503
        assert "It must be a regular file" in answer.json()["detail"]
    log.unlink()
    assert deliver(central).status_code == 200


@pytest.mark.parametrize("log", ["a pipe", "/dev/stdout", "/dev/null", "/dev/tty"])
def test_a_log_that_is_no_file_ends_the_start(
    env: dict[str, str], tmp_path: Path, log: str
) -> None:
    if log == "a pipe":
        log = str(tmp_path / "pipe")
        os.mkfifo(log)
    server = Server("central-server", tmp_path, {**env, "ACTIVITY_LOG": log})
    assert server.process.wait(30) != 0
    assert f"ACTIVITY_LOG={log}: It must be a " in server.console()
    assert "Traceback" not in server.console()


def test_the_log_may_be_a_link_to_a_file(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere.log").write_text("an older line\n")
    (tmp_path / "worker_activity.log").symlink_to("elsewhere.log")
    with in_process("central-server", env) as central:
        assert deliver(central).status_code == 200
        assert central.get("/ready").status_code == 200
        assert central.get("/activity").text.startswith("an older line\n[")
    assert (tmp_path / "elsewhere.log").read_text().count("\n") == 2


@pytest.mark.parametrize("name", [".receipts", ".intents", ".names", ".deleted"])
def test_a_link_in_place_of_one_of_its_folders_ends_the_start(
    env: dict[str, str], tmp_path: Path, name: str
) -> None:
    with in_process("central-server", env):
        pass
    shutil.move(tmp_path / "storage" / name, tmp_path / "elsewhere")
    (tmp_path / "storage" / name).symlink_to(tmp_path / "elsewhere")
    server = Server("central-server", tmp_path, env)
    assert server.process.wait(30) != 0
    assert "STORAGE_DIR=" in server.console()


def test_an_image_that_is_a_link_is_not_served(central: InProcess, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    deliver(central, media_id=MEDIA_ID)
    image = tmp_path / "storage" / "watermarked_photo.jpg"
    image.unlink()
    image.symlink_to(tmp_path / "secret")
    assert central.get(f"/media/{MEDIA_ID}").status_code == 404
    assert central.get(f"/media/{MEDIA_ID}/receipt").json()["size"] == len(JPEG)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", ".lock", "", "n" * 300])
def test_a_receipt_with_a_name_that_is_none_is_no_receipt(
    central: InProcess, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    deliver(central, media_id=MEDIA_ID)
    receipt = tmp_path / "storage" / ".receipts" / f"{MEDIA_ID}.json"
    receipt.write_text(receipt.read_text().replace("watermarked_photo.jpg", name, 1))
    for path in ("", "/receipt"):
        assert central.get(f"/media/{MEDIA_ID}{path}").status_code == 404
    central.delete(f"/media/{MEDIA_ID}")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (tmp_path / "storage" / ".lock").exists()


def test_a_receipt_is_what_was_answered(central: InProcess) -> None:
    answer = deliver(central, media_id=MEDIA_ID).json()
    receipt = central.get(f"/media/{MEDIA_ID}/receipt").json()
    assert receipt == {
        "media_id": MEDIA_ID,
        **{key: answer[key] for key in ("worker", "timestamp", "name", "sha256", "size")},
    }
    central.delete(f"/media/{MEDIA_ID}")
    deleted = central.get(f"/media/{MEDIA_ID}/receipt")
    assert (deleted.status_code, deleted.json()["code"]) == (410, "media_deleted")
    for unknown in ("01KA0000000000000000000000", "x", "..%2Fx"):
        assert central.get(f"/media/{unknown}/receipt").status_code == 404
