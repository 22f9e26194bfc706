"""Names in central_storage and in the log: whatever is sent, one file and one line of its own."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies

from shared import contract
from support.central import JPEG, MEDIA_ID, deliver, log_lines, stored_names
from support.services import InProcess, in_process

OTHER_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXZ"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[InProcess]:
    with serving(tmp_path) as service:
        yield service


def serving(folder: Path) -> AbstractContextManager[InProcess]:
    env = {
        "STORAGE_DIR": str(folder / "storage"),
        "ACTIVITY_LOG": str(folder / "worker_activity.log"),
    }
    return in_process("central-server", env)


def logged_names(folder: Path) -> list[str]:
    return [line.split(" | IMAGE: ")[1] for line in log_lines(folder)]


def test_the_second_image_of_a_name_gets_its_media_id_in_its_own(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, b"first")
    second = deliver(central, b"second", media_id=MEDIA_ID)
    assert second.json()["name"] == f"watermarked_photo-{MEDIA_ID}.jpg"
    assert logged_names(tmp_path) == ["watermarked_photo.jpg", f"watermarked_photo-{MEDIA_ID}.jpg"]
    assert (tmp_path / "storage" / "watermarked_photo.jpg").read_bytes() == b"first"
    assert central.get(f"/media/{MEDIA_ID}").content == b"second"


def test_twenty_five_images_of_one_name_at_once_are_all_kept(
    central: InProcess, tmp_path: Path
) -> None:
    contents = [b"image %d" % number for number in range(25)]
    with ThreadPoolExecutor(25) as clients:
        answers = list(clients.map(lambda content: deliver(central, content), contents))
    names = [answer.json()["name"] for answer in answers]
    assert [(tmp_path / "storage" / name).read_bytes() for name in names] == contents
    assert sorted(logged_names(tmp_path)) == sorted(names)
    assert "watermarked_photo.jpg" in names


def test_the_name_of_a_deleted_image_is_not_given_again(tmp_path: Path) -> None:
    with serving(tmp_path) as central:
        deliver(central)
        (tmp_path / "storage" / "watermarked_photo.jpg").unlink()
        assert deliver(central, media_id=MEDIA_ID).json()["name"] != "watermarked_photo.jpg"
    with serving(tmp_path) as central:
        assert deliver(central, media_id=OTHER_ID).json()["name"] != "watermarked_photo.jpg"
    assert len(set(logged_names(tmp_path))) == 3


def test_a_name_whose_marker_a_power_cut_took_is_taken_again_at_the_start(tmp_path: Path) -> None:
    with serving(tmp_path) as central:
        deliver(central)
    (tmp_path / "storage" / ".names" / "watermarked_photo.jpg").unlink()
    with serving(tmp_path) as central:
        (tmp_path / "storage" / "watermarked_photo.jpg").unlink()
        assert deliver(central, media_id=MEDIA_ID).json()["name"] != "watermarked_photo.jpg"


def test_a_file_somebody_else_put_there_is_not_overwritten(
    central: InProcess, tmp_path: Path
) -> None:
    foreign = tmp_path / "storage" / "watermarked_photo.jpg"
    foreign.write_bytes(b"somebody's own")
    (tmp_path / "storage" / f"watermarked_photo-{MEDIA_ID}.jpg").symlink_to("nowhere")
    name = deliver(central, media_id=MEDIA_ID).json()["name"]
    assert foreign.read_bytes() == b"somebody's own"
    assert name not in ("watermarked_photo.jpg", f"watermarked_photo-{MEDIA_ID}.jpg")
    assert (tmp_path / "storage" / name).read_bytes() == JPEG


def test_a_name_that_looks_like_another_media_s_leaves_that_one_deliverable(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, name="photo.jpg")
    deliver(central, name=f"photo-{MEDIA_ID}.jpg")
    assert deliver(central, name="photo.jpg", media_id=MEDIA_ID).status_code == 200
    assert len(stored_names(tmp_path)) == len(set(logged_names(tmp_path))) == 3


def test_no_image_can_take_the_log_s_name(tmp_path: Path) -> None:
    log = tmp_path / "storage" / "worker_activity.log"
    env = {"STORAGE_DIR": str(log.parent), "ACTIVITY_LOG": str(log)}
    with in_process("central-server", env) as central:
        log.unlink()
        name = deliver(central, name=log.name, media_id=MEDIA_ID).json()["name"]
    assert name == f"worker_activity-{MEDIA_ID}.log"
    assert log.read_text().endswith(f"| IMAGE: {name}\n")


def test_the_longest_names_still_fit_the_file_system(central: InProcess, tmp_path: Path) -> None:
    for _ in range(2):
        name = deliver(central, name="é" * 300 + ".jpeg").json()["name"]
        assert name.endswith(".jpeg")
        assert (tmp_path / "storage" / name).read_bytes() == JPEG


text = strategies.text(max_size=300) | strategies.sampled_from(
    [
        "../../etc/passwd",
        "a\nb.jpg",
        ".names",
        "x | IMAGE: y.jpg",
        "\u2028",
        "\x85.jpg",
        "C:\\x.jpg",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.lists(strategies.tuples(text, text), min_size=1, max_size=4))
@example([("photo.jpg", "worker-1\n[2026-01-01 00:00:00] WORKER: x | IMAGE: forged.jpg")] * 2)
@example([(".receipts", "w\x85w"), ("..", "w|w"), ("/", "w\u2029w"), ("a.\u202egpj", "\u202ew")])
def test_every_name_and_worker_gives_one_line_and_one_file_in_the_folder(
    deliveries: list[tuple[str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as central:
        answers = []
        for name, worker in deliveries:
            worker = worker.encode(errors="replace").decode()
            answer = post_raw(central, name.encode(errors="replace"), worker)
            if answer.status_code == 422:
                assert answer.json()["code"] == "worker_missing"
                assert not contract.safe_line(worker)[:100].strip()
            else:
                answers.append(answer.json())
        log = (Path(folder) / "worker_activity.log").read_bytes().decode()
        expected = [
            f"[{answer['timestamp']}] WORKER: {answer['worker']} | IMAGE: {answer['name']}"
            for answer in answers
        ]
        assert log.splitlines() == expected
        assert all(line.count(" | ") == 1 for line in expected)
        assert stored_names(Path(folder)) == {answer["name"] for answer in answers}
        beside = {path.name for path in Path(folder).iterdir()}
        assert beside == {"storage", "worker_activity.log"}


def post_raw(central: InProcess, filename: bytes, worker: str) -> httpx.Response:
    """The name as a hostile client would write it: quotes escaped, nothing else."""
    quoted = filename.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    quoted = quoted.replace(b"\r", b"%0D").replace(b"\n", b"%0A")  # would end the header
    body = (
        b'--x\r\nContent-Disposition: form-data; name="worker_name"\r\n\r\n%b\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
        b"bytes\r\n--x--\r\n"
    ) % (worker.encode(), quoted)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return central.post("/upload-final", content=body, headers=headers)
