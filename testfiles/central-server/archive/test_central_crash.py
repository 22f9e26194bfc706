"""kill -9 of the real central-server before, and in the middle of, each step it takes.

Each process recovers what the one before it left, and is then killed itself: the steps share one
storage folder, and cost one start each.
"""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from ulid import ULID

from local_stack.stack import ROOT
from support.central_launcher import DISARMED, PARTIAL
from support.services import Server, running

LAUNCHER = (str(ROOT / "testfiles" / "support" / "central_launcher.py"),)
STEPS = (
    *("write", "fsync", "unlink", "symlink", "write", "fsync", "replace", "fsync"),
    *("link", "unlink", "fsync", "write", "fsync", "replace", "send", "send"),
)
DELETION = ("symlink", "fsync", "fsync", "unlink", "fsync", "unlink", "unlink", "send")
Answer = dict[str, Any] | None  # None where the connection broke


@dataclass(frozen=True)
class Media:
    media_id: str
    content: bytes

    @property
    def name(self) -> str:
        return f"{self.media_id}-original.jpg"

    def deliver(self, server: Server) -> Answer:
        data = {"worker_name": "me", "media_id": self.media_id}
        files = {"file": (self.name, self.content)}
        try:
            answer = httpx.post(
                f"{server.url}/upload-final", data=data, files=files, trust_env=False
            )
        except httpx.TransportError:
            return None
        return dict(answer.raise_for_status().json())

    def delete(self, server: Server) -> int:
        return httpx.delete(f"{server.url}/media/{self.media_id}", trust_env=False).status_code


def new_media() -> Media:
    return Media(str(ULID()), os.urandom(5000))


@contextmanager
def crashing(cwd: Path, at: int, *, half: bool = False) -> Iterator[Server]:
    """A process that is up, and will crash at that step once it is armed."""
    (cwd / DISARMED).touch()
    env = {"CRASH_AT": str(at), "HALF_A_STEP": "1" if half else ""}
    with running("central-server", cwd, env, LAUNCHER) as server:
        yield server


def arm(cwd: Path) -> None:
    (cwd / DISARMED).unlink()


def assert_stored_once(cwd: Path, media: Media, answer: Answer, *, duplicate: bool | None) -> None:
    """One file, one line, one receipt, and the answer: all of the same bytes."""
    assert answer is not None
    assert duplicate in (None, answer["duplicate"])
    storage = cwd / "central_storage"
    [file] = storage.glob(f"{media.media_id}*")
    assert file.name == answer["name"] == media.name
    assert log_names(cwd).count(file.name) == 1
    receipt = json.loads((storage / ".receipts" / f"{media.media_id}.json").read_bytes())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == receipt["sha256"] == answer["sha256"]
    assert digest == hashlib.sha256(media.content).hexdigest()


def assert_nothing_else(cwd: Path, medias: list[Media]) -> None:
    storage = cwd / "central_storage"
    leftovers = [*(storage / ".incoming").iterdir(), *(storage / ".intents").iterdir()]
    assert leftovers == []
    names = sorted(media.name for media in medias)
    assert sorted(path.name for path in storage.iterdir() if path.name[0] != ".") == names
    assert sorted(log_names(cwd)) == names


def log_names(cwd: Path) -> list[str]:
    log = (cwd / "worker_activity.log").read_text()
    return [line.split(" | IMAGE: ")[1] for line in log.splitlines()]


@pytest.mark.slow
def test_kill_9_at_each_step_of_a_delivery_stores_it_once(tmp_path: Path) -> None:
    stops = [(at, False) for at in range(len(STEPS))]
    stops += [(at, True) for at, step in enumerate(STEPS) if step in PARTIAL]
    delivered = [new_media()]
    with running("central-server", tmp_path, {}) as server:
        assert delivered[0].deliver(server)  # makes the log, which takes a step more
    was_linked = True
    for at, half in [*stops, (len(STEPS), False)]:
        with crashing(tmp_path, at, half=half) as server:
            answer = delivered[-1].deliver(server)
            assert_stored_once(tmp_path, delivered[-1], answer, duplicate=was_linked)
            assert_nothing_else(tmp_path, delivered)
            delivered.append(new_media())
            arm(tmp_path)
            answered = delivered[-1].deliver(server) is not None
            assert answered == (at == len(STEPS)), (at, half)
            assert answered or server.process.wait(10) == -signal.SIGKILL
        was_linked = at > STEPS.index("link")


@pytest.mark.slow
def test_kill_9_at_each_step_of_a_deletion_ends_with_the_image_gone(tmp_path: Path) -> None:
    storage = tmp_path / "central_storage"
    for at in range(len(DELETION)):
        with crashing(tmp_path, at) as server:
            media = new_media()
            assert media.deliver(server)
            arm(tmp_path)
            with pytest.raises(httpx.TransportError):
                media.delete(server)
            assert server.process.wait(10) == -signal.SIGKILL
    with running("central-server", tmp_path, {}) as server:
        left = [path.name for path in storage.iterdir() if path.name[0] != "."]
        assert left == log_names(tmp_path)[:1], "all that had a tombstone are gone"
        for name in log_names(tmp_path):
            media = Media(name[:26], b"it comes late")
            assert media.delete(server) == (204 if name in left else 404)
            with pytest.raises(httpx.HTTPStatusError, match="410"):
                media.deliver(server)
    assert [path.name for path in storage.iterdir() if path.name[0] != "."] == []
    assert [*storage.glob(".receipts/*"), *storage.glob(".intents/*")] == []


@pytest.mark.slow
def test_kill_9_during_four_deliveries_at_once_stores_each_once(tmp_path: Path) -> None:
    delivered: list[Media] = []
    answers: list[Answer] = []
    for at in range(4, 4 * len(STEPS), 11):
        with crashing(tmp_path, at) as server:
            assert_delivered_again(tmp_path, server, delivered[-4:], answers)
            assert_nothing_else(tmp_path, delivered)
            fresh = [new_media() for _ in range(4)]
            arm(tmp_path)
            answers = deliver_at_once(server, fresh)
            assert server.process.wait(10) == -signal.SIGKILL
            assert None in answers
            delivered += fresh
    with running("central-server", tmp_path, {}) as server:
        assert_delivered_again(tmp_path, server, delivered[-4:], answers)
        assert_nothing_else(tmp_path, delivered)


def assert_delivered_again(
    cwd: Path, server: Server, medias: list[Media], before: list[Answer]
) -> None:
    """What was answered before the crash is known; the others may be."""
    for media, earlier, now in zip(medias, before, deliver_at_once(server, medias), strict=True):
        assert_stored_once(cwd, media, now, duplicate=True if earlier else None)


def deliver_at_once(server: Server, medias: list[Media]) -> list[Answer]:
    with ThreadPoolExecutor(4) as clients:
        return list(clients.map(lambda media: media.deliver(server), medias))
