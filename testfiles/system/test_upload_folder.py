"""make upload: a folder goes up and its results come back, whatever happens meanwhile."""

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from ingest import reference
from local_stack.host import free_ports
from local_stack.stack import ROOT, Stack
from support import images
from support.services import until
from upload import ref_of, result_path, taken_by

SCRIPT = ROOT / "testfiles" / "upload.py"
LOGO = str(ROOT / "worker-server" / "bundled_logo.png")
SIZE = (64, 48)
EMPTY_LIST = b'{"media": [], "next": null, "complete": true}'
BROKEN = images.jpeg()[:4000]
# In three folders each: names that are equal there, and that are odd.
NAMES = [
    *(f"IMG_{number}.jpg" for number in range(14)),
    "a b.jpg",
    "😀 Zoë.jpg",
    "Zoe\u0308.jpg",
    "100%.jpg",
    "%0A.jpg",
    "line\nbreak.jpg",
    "not \udcff UTF-8.jpg",
    "; rm 'x' \"y\" $HOME `id` \\.jpg",
    "no ending",
]
FOLDERS = ["", "2026 summer/Zoë 😀/", "2026 summer/" + ("long " * 48 + "/") * 5]
Media = dict[str, Any]
RUNNING: list[subprocess.Popen[bytes]] = []


def write(folder: Path, photos: Mapping[str, bytes]) -> None:
    for path, content in photos.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def fill(folder: Path) -> dict[str, bytes]:
    """The good photos by their paths; no two are the same."""
    paths = [f"{inner}{name}" for inner in FOLDERS for name in NAMES]
    photos = {path: images.jpeg(seed=seed, size=SIZE) for seed, path in enumerate(paths)}
    write(folder, photos)
    return photos


class Run:
    """upload.py as somebody runs it; with other constants where that spares a test time."""

    def __init__(
        self, folder: Path, out: Path, url: str, *options: str, first: str = "", **constants: float
    ) -> None:
        self.console = folder.parent / f".{out.name}.console"
        program = [str(SCRIPT)]
        if first or constants:
            first += f"\nvars(upload).update({constants})\nexit(upload.main())"
            program = ["-c", f"import os, upload\n{first}"]
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, *program, str(folder), str(out), "--url", url, *options],
                env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        RUNNING.append(self.process)

    def said(self) -> str:
        return self.console.read_text(errors="backslashreplace")

    def ends_with(self, status: int) -> str:
        """What it has said, once it has ended so."""
        assert self.process.wait(120) == status, self.said()
        assert "Traceback" not in self.said()
        return self.said()


@pytest.fixture(autouse=True)
def end_all_runs() -> Iterator[None]:
    yield
    while RUNNING:
        with RUNNING.pop() as process:
            process.kill()


@contextmanager
def imitation(answers: Mapping[str, Any]) -> Iterator[tuple[str, Counter[str]]]:
    """A gateway that answers as no real one does, by method or path; and how often it was asked."""
    asked = Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer("/stats" if "/stats" in self.path else "/media")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer("POST")

        def answer(self, name: str) -> None:
            asked[name] += 1
            status, body, *headers = answers.get(name, (200, b'{"summary": "idle"}'))
            self.send_response(status)
            for header in (("Content-Type", "application/json"), *headers):
                self.send_header(*header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not into the console."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def batch_of(out: Path) -> str:
    return str(json.loads((out / ".upload.json").read_text())["batch"])


def listed(stack: Stack, out: Path) -> list[Media]:
    """The media of the batch that was begun in out, the newest first; none before."""
    if not (out / ".upload.json").exists():
        return []
    asked = {"batch": batch_of(out), "limit": "500"}
    answer = httpx.get(f"{stack.url}/media", params=asked, trust_env=False, timeout=60)
    media: list[Media] = answer.json()["media"]
    return media


def stack_media(stack: Stack) -> list[Media]:
    answer = httpx.get(f"{stack.url}/media?limit=500", trust_env=False, timeout=60)
    media: list[Media] = answer.json()["media"]
    return media


def record_of(stack: Stack, media_id: str) -> Media:
    record: Media = httpx.get(f"{stack.url}/media/{media_id}", trust_env=False, timeout=60).json()
    return record


def results_in(out: Path) -> dict[str, bytes]:
    """All files but the state, also those that a run should not have left."""
    files = [path for path in out.rglob("*") if path.is_file() and path != out / ".upload.json"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def assert_back(
    stack: Stack, out: Path, photos: Mapping[str, bytes], names: Mapping[str, str] | None = None
) -> None:
    """Each result is under its photo's path and is what central has of this very photo.

    names has the paths of results that are not their photos'.
    """
    media = {item["ref"]: item for item in reversed(listed(stack, out))}
    expected = {}
    for path, content in photos.items():
        media_id = media[ref_of(path)]["media_id"]
        record = record_of(stack, media_id)
        assert record["sha256"] == hashlib.sha256(content).hexdigest(), path
        image = httpx.get(f"{stack.central_url}/media/{media_id}", trust_env=False)
        expected[(names or {}).get(path, path)] = image.content
        assert hashlib.sha256(image.content).hexdigest() == record["stored"]["sha256"]
    assert results_in(out) == expected


@contextmanager
def own_stack(tmp_path: Path, **settings: str) -> Iterator[Stack]:
    usual = {"GOOGLE_LOGO": LOGO, "RECONCILE_SECONDS": "1", "RETRY_BACKOFF_SECONDS": "0.05"}
    with Stack(tmp_path / "run", usual | settings) as stack:
        yield stack


def test_all_that_is_good_comes_back_and_the_rest_is_named(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "my $photos'", tmp_path / "out"
    photos = fill(folder)
    (folder / ".hidden.jpg").write_bytes(BROKEN)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.jpg").write_bytes(BROKEN)
    (folder / "2026 summer" / "broken.jpg").write_bytes(BROKEN)
    (folder / "notes.txt").write_text("no image")
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    said = Run(folder, out, stack.url).ends_with(1)
    assert f"{len(photos)} back in {out}, 4 failed:\n" in said
    for line in (
        "2026 summer/broken.jpg: The image is damaged",
        "notes.txt: notes.txt holds none of JPEG",
        "empty.jpg: empty.jpg has no bytes",
        "gone.jpg: It cannot be read: No such file or directory",
    ):
        assert f"\n  {line}" in said
    assert f"curl -X POST '{stack.url}/media/retry?batch={batch_of(out)}'" in said
    assert_back(stack, out, photos)

    before = {path: (out / path).stat() for path in photos}
    media = listed(stack, out)
    assert Run(folder, out, stack.url).ends_with(1) == said
    assert listed(stack, out) == media
    assert {path: (out / path).stat() for path in photos} == before


@pytest.mark.slow
def test_a_run_goes_on_after_a_kill_and_nothing_is_doubled(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = fill(folder)
    with own_stack(tmp_path, SIMULATED_LATENCY="0.02") as stack:
        for count in (len(photos) // 4, len(photos) // 2):
            run = Run(folder, out, stack.url)
            until(lambda count=count: len(listed(stack, out)) >= count)  # type: ignore[misc]
            run.process.kill()
            run.ends_with(-signal.SIGKILL)
        run = Run(folder, out, stack.url)
        until(lambda: len([*out.rglob("[!.]*")]) > len(photos) // 2)
        run.process.kill()
        run.ends_with(-signal.SIGKILL)
        said = Run(folder, out, stack.url).ends_with(0)
        assert f"{len(photos)} back in {out}, 0 failed." in said
        assert len(listed(stack, out)) == len(photos)
        assert_back(stack, out, photos)


@pytest.mark.slow
def test_a_run_outlasts_the_services(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = fill(folder)
    with own_stack(tmp_path) as stack:
        stack["central"].kill()
        run = Run(folder, out, stack.url, MOST_WAIT_S=0.2, QUIET_S=1, LINE_S=0)
        until(lambda: len(listed(stack, out)) >= 20)
        stack["gateway"].kill()
        until(lambda: "Waiting: All connection attempts failed" in run.said())
        stack["gateway"].start()
        until(lambda: "Waiting: central does not answer" in run.said())
        until(lambda: any(item["code"] == "central_unreachable" for item in listed(stack, out)))
        until(lambda: len(listed(stack, out)) == len(photos))
        stack["redis"].restart()
        stack["central"].start()
        run.ends_with(0)
        assert len(listed(stack, out)) == len(photos)
        assert_back(stack, out, photos)


def test_results_that_are_gone_are_fetched_again(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = {f"{number}.jpg": images.jpeg(seed=number, size=SIZE) for number in range(3)}
    write(folder, photos)
    Run(folder, out, stack.url).ends_with(0)
    media, batch = listed(stack, out), batch_of(out)
    (out / "0.jpg").unlink()
    (out / "1.jpg").write_bytes(b"edited")
    said = Run(folder, out, stack.url).ends_with(1)
    assert "\n  1.jpg: Its result was changed in OUT. Move it away" in said
    assert (out / "1.jpg").read_bytes() == b"edited"
    (out / "1.jpg").unlink()
    Run(folder, out, stack.url).ends_with(0)
    assert_back(stack, out, photos)
    shutil.rmtree(out)
    Run(folder, out, stack.url, "--batch", batch).ends_with(0)
    assert_back(stack, out, photos)
    for damaged in (None, "{"):
        (out / ".upload.json").unlink()
        if damaged is not None:
            (out / ".upload.json").write_text(damaged)
        Run(folder, out, stack.url, "--batch", batch).ends_with(0)
        assert_back(stack, out, photos)
    assert listed(stack, out) == media


def test_a_file_of_the_same_size_and_age_with_other_content_is_sent_again(
    stack: Stack, tmp_path: Path
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.bmp": images.bmp(seed=1, size=SIZE)})
    Run(folder, out, stack.url).ends_with(0)
    facts = (folder / "a.bmp").stat()
    changed = {"a.bmp": images.bmp(seed=2, size=SIZE)}
    write(folder, changed)
    os.utime(folder / "a.bmp", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    Run(folder, out, stack.url).ends_with(0)
    assert_back(stack, out, changed)


def test_a_file_that_was_changed_is_sent_again(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    bmp = images.bmp(seed=1, size=SIZE)
    photos = {"longer.jpg": images.jpeg(size=SIZE), "as_long.bmp": bmp, "touched.bmp": bmp}
    write(folder, photos)
    Run(folder, out, stack.url).ends_with(0)
    photos |= {"longer.jpg": images.jpeg(), "as_long.bmp": images.bmp(seed=2, size=SIZE)}
    write(folder, photos)
    Run(folder, out, stack.url).ends_with(0)
    refs = Counter(item["ref"] for item in listed(stack, out))
    assert refs == {"longer.jpg": 2, "as_long.bmp": 2, "touched.bmp": 1}
    assert_back(stack, out, photos)


def test_a_file_that_changes_while_it_is_sent_is_named(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    names = ("as long.bmp", "good.bmp", "longer.bmp", "shorter.bmp")
    photos = {name: images.bmp(seed=seed, size=(16, 16)) for seed, name in enumerate(names)}
    write(folder, photos)
    changed = {
        "as long.bmp": images.bmp(seed=5, size=(16, 16)),
        "longer.bmp": images.bmp(seed=6, size=(20, 20)),
        "shorter.bmp": images.bmp(seed=7, size=(8, 8)),
    }
    change = f"""
read, changed = upload.Sent.read, {changed!r}
def read_changed(sent, size):
    name = os.path.basename(sent.name)
    if name in changed:
        open(sent.name, "wb").write(changed[name])
    return read(sent, size)
upload.Sent.read = read_changed"""
    said = Run(folder, out, stack.url, first=change).ends_with(1)
    for name in changed:
        assert f"\n  {name}: It changed while it was sent. Run this again." in said
    assert {*results_in(out)} == {"good.bmp"}
    Run(folder, out, stack.url).ends_with(0)
    assert_back(stack, out, photos | changed)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = {f"{number}.jpg": images.jpeg(seed=number, size=SIZE) for number in range(8)}
    write(folder, photos)
    with own_stack(tmp_path) as stack:
        httpx.post(f"{stack.url}/pause", trust_env=False).raise_for_status()
        run = Run(folder, out, stack.url)
        until(lambda: len(listed(stack, out)) == 8)
        run.process.send_signal(signal.SIGINT)
        said = run.ends_with(130)
        assert "8 not yet back" in said
        assert "Run this again to go on." in said
        httpx.post(f"{stack.url}/resume", trust_env=False).raise_for_status()
        Run(folder, out, stack.url).ends_with(0)
        assert_back(stack, out, photos)
        assert len(listed(stack, out)) == 8


@pytest.mark.slow
def test_results_of_another_format_have_its_ending_and_names_of_their_own(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    long = hashlib.sha256(f"{'é' * 125}.jpg.webp".encode()).hexdigest()
    names = {
        "a/x.png": "a/x.png.webp",
        "a/x.jpg": "a/x.jpg.webp",
        "a/y.jpg": "a/y.jpg.webp",
        "a/z.webp": "a/z.webp",
        "a/z.jpg": "a/z.jpg.webp",
        f"a/{'é' * 125}.jpg": f"a/{'é' * 50}-{long}.webp",
        "b/x.jpg": "b/x.jpg.webp",
        "b/no ending": "b/no ending.webp",
    }
    photos = {path: images.jpeg(seed=seed, size=SIZE) for seed, path in enumerate(names)}
    photos |= {"a/x.png": images.png(size=SIZE), "a/z.webp": images.webp(size=SIZE)}
    write(folder, photos)
    with own_stack(tmp_path, OUTPUT_FORMAT="webp") as stack:
        for _ in "12":
            Run(folder, out, stack.url).ends_with(0)
            assert_back(stack, out, photos, names)


@pytest.mark.parametrize(
    "paths",
    [
        ["a.png", "a.png.jpg", "a.jpg"],
        ["a.png", "a.webp", "a.png.webp"],
        ["A.png", "a.jpg"],
        ["a.jpg", "a.webp/b.jpg"],
        ["a.jpg", "a.jpg.webp/b.jpg"],
        ["a", "a.webp", "A.webp.webp/b.webp"],
        ["a", "a.jpg", "a.png"],
        ["Zo\u00eb.jpg", "Zoe\u0308.png"],
        [f"{'x' * 249}{end}" for end in ("a.jpg", "b.jpg", "a.png", "", ".webp")],
        [f"{'x' * 240}{'.webp' * count}" for count in range(4)],
    ],
    ids=lambda paths: str(paths)[-60:],
)
def test_no_two_results_have_one_name(paths: list[str]) -> None:
    results = {tuple(results_of(order, paths)) for order in permutations(paths)}
    assert len(results) == 1
    [names] = results
    assert max(len(part.encode()) for name in names for part in Path(name).parts) <= 255
    folded = {unicodedata.normalize("NFC", name).casefold() for name in names}
    assert len(folded) == len(paths)
    assert not folded & {str(above).casefold() for name in names for above in Path(name).parents}


def results_of(order: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    taken = taken_by(order)
    return (result_path(path, "watermarked_x.webp", taken) for path in paths)


@pytest.mark.parametrize("stored", ["x./../../y", "x.we/bp", "x.", "x", "x.jpg\n", "x.JPG", "../x"])
def test_a_stored_name_is_no_path(stored: str) -> None:
    assert result_path("b/a.jpg", stored, taken_by(["b/a.jpg"])) == "b/a.jpg"


def test_no_two_paths_have_one_ref() -> None:
    end = "/" + "x" * 200
    kept = ["a%0Ab", "%FF", "é" * 500]
    others = ["a\nb", "a\u2028b", "\udcff", "a" + end * 6, "b" + end * 6, "\n" * 900, "\r" * 900]
    refs = [ref_of(path) for path in (*kept, *others)]
    assert refs[: len(kept)] == kept
    assert refs[len(kept)].startswith("./a_b-")
    assert len({*refs, *kept, *others}) == len(kept) + 2 * len(others)
    assert [reference.checked(ref) for ref in refs] == refs  # the gateway takes them


def test_links_are_followed_but_not_in_a_circle_and_results_are_not_sent(
    stack: Stack, tmp_path: Path
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "photos" / "results"
    photo, other = images.jpeg(seed=1, size=SIZE), images.jpeg(seed=2, size=SIZE)
    write(folder, {"a/b/photo.jpg": photo})
    write(tmp_path, {"elsewhere/other.jpg": other})
    (folder / "a" / "link.jpg").symlink_to("b/photo.jpg")
    (folder / "a" / "b" / "up").symlink_to("../..")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "self").symlink_to(".")
    write(folder, {"earlier/.upload.json": b"{}", "earlier/a.jpg": images.jpeg(seed=3, size=SIZE)})
    photos = {"a/b/photo.jpg": photo, "a/link.jpg": photo, "linked/other.jpg": other}
    for _ in "12":
        Run(folder, out, stack.url).ends_with(0)
        assert_back(stack, out, photos)
        assert len(listed(stack, out)) == 3


def test_what_it_waits_for_is_said_and_in_the_end_it_gives_up(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.jpg": images.jpeg(size=SIZE)})
    with own_stack(tmp_path) as stack:
        httpx.post(f"{stack.url}/pause", trust_env=False).raise_for_status()
        said = Run(folder, out, stack.url, QUIET_S=0.1, GIVE_UP_S=2, LINE_S=0).ends_with(1)
        assert "\nWaiting: paused since " in said
        assert "error: Nothing has moved for" in said
        assert f"0 back in {out}, 0 failed, 1 not yet back." in said


def test_a_result_that_is_not_what_was_stored_is_not_kept(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"damaged.jpg": images.jpeg(seed=77, size=SIZE)})
    Run(folder, out, stack.url).ends_with(0)
    name = record_of(stack, listed(stack, out)[0]["media_id"])["stored"]["name"]
    stored, image = stack.storage_dir / name, (out / "damaged.jpg").read_bytes()
    (out / "damaged.jpg").unlink()
    stored.write_bytes(image[:-1] + b"x")
    said = Run(folder, out, stack.url).ends_with(1)
    assert "is not what was stored" in said
    assert results_in(out) == {}
    stored.write_bytes(image)
    Run(folder, out, stack.url).ends_with(0)


def test_one_that_does_not_come_holds_up_no_other(stack: Stack, tmp_path: Path) -> None:
    folder, out, go = tmp_path / "photos", tmp_path / "out", tmp_path / "go"
    photos = {f"{number}.jpg": images.jpeg(seed=number, size=SIZE) for number in range(6)}
    write(folder, photos)
    cut = f"""
write = upload.Transfer._write
async def cut(transfer, part, response, photo):
    if photo.path == "0.jpg" and not os.path.exists({str(go)!r}):
        raise upload.httpx.ReadError("cut")
    await write(transfer, part, response, photo)
upload.Transfer._write = cut"""
    run = Run(folder, out, stack.url, first=cut, LINE_S=0)
    until(lambda: {path.name for path in out.glob("[!.]*")} == {*photos} - {"0.jpg"})
    until(lambda: "Waiting: cut" in run.said())
    go.touch()
    run.ends_with(0)
    assert_back(stack, out, photos)


def test_a_full_disk_is_said_at_once(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {f"{n}.jpg": images.jpeg(seed=n, size=SIZE) for n in range(30)})
    full = """
async def write(*_):
    raise OSError(28, os.strerror(28))
upload.Transfer._write = write"""
    said = Run(folder, out, stack.url, first=full).ends_with(2)
    assert "error: OUT cannot be written: No space left on device. Make room." in said
    Run(folder, out, stack.url).ends_with(0)


def test_what_cannot_be_used_is_said_and_nothing_is_sent(stack: Stack, tmp_path: Path) -> None:
    photos, out, file = tmp_path / "photos", tmp_path / "out", tmp_path / "file"
    write(photos, {"in/a.jpg": images.jpeg(size=SIZE)})
    write(tmp_path, {"file": b"", "full/own.jpg": b""})
    state = {"url": stack.url, "folder": str(photos)}
    damaged = {
        "torn": "{",
        "number": json.dumps({**state, "batch": 5}),
        "path": json.dumps({**state, "batch": "../x"}),
        "list": "[]",
    }
    write(tmp_path, {f"{name}/.upload.json": text.encode() for name, text in damaged.items()})
    (tmp_path / "empty").mkdir()
    unused = f"http://127.0.0.1:{free_ports(1)[0]}"
    url, before = stack.url, len(stack_media(stack))
    for folder, results, address, reason in (
        (tmp_path / "none", out, url, "none: No such file or directory. Name a folder"),
        (file, out, url, "file: Not a directory. Name a folder"),
        (tmp_path / "empty", out, url, "has no files. Name a folder"),
        (photos, photos, url, "results need a folder of their own"),
        (photos / "in", photos, url, "results need a folder of their own"),
        (photos, file / "out", url, "Not a directory. Name a folder to write to"),
        (photos, file, url, "File exists. Name a folder to write to"),
        (photos, tmp_path / "full", url, "has other files. Name a new folder"),
        *((photos, tmp_path / name, url, "json is damaged. Name the BATCH") for name in damaged),
        (photos, out, unused, "Connection refused. Start it with make run"),
        (photos, out, stack.central_url, "is no gateway of a media processor: "),
        (photos, out, "localhost:8000", "missing an 'http://' or 'https://' protocol"),
        (photos, out, unused.replace("//", "//me:secret@"), "Connection refused"),
        (photos, out, unused.replace("//", "//me:not@secret@"), "Connection refused"),
        (photos, out, "http://me:a/secret@localhost", "http://localhost gives no answer"),
    ):
        said = Run(folder, results, address).ends_with(2)
        assert said.startswith("error: ")
        assert reason in said
        assert "secret" not in said
        assert "not@" not in said
    assert not (tmp_path / "full" / ".upload.json").exists()
    assert "BATCH=abc is no ULID" in Run(photos, out, url, "--batch", "abc").ends_with(2)
    assert len(stack_media(stack)) == before


def test_names_are_said_wherever_they_are_written(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    folder, out = tmp_path / "photos 😀", tmp_path / "out \udcff"
    write(folder, {"é.jpg": BROKEN})
    said = Run(folder, out, stack.url).ends_with(1)
    assert f"0 back in {tmp_path}/out \\udcff, 1 failed:\n  \\xe9.jpg: The image is" in said


def test_results_of_another_folder_are_not_mixed_in_but_for_a_batch(
    stack: Stack, tmp_path: Path
) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "out"
    photo = {"a.jpg": images.jpeg(size=SIZE)}
    write(first, photo)
    Run(first, out, stack.url).ends_with(0)
    first.rename(second)
    said = Run(second, out, stack.url).ends_with(2)
    assert f"has the results of {first} from {stack.url}" in said
    media = listed(stack, out)
    Run(second, out, stack.url, "--batch", batch_of(out)).ends_with(0)
    Run(second, out, stack.url).ends_with(0)
    assert listed(stack, out) == media


def test_make_hands_on_names_as_they_are(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / 'it\'s "mine" `id` #1', tmp_path / "out $1"
    write(folder, {"a.jpg": images.jpeg(size=SIZE)})
    words = [f"FOLDER={folder}", f"OUT={out}".replace("$", "$$"), f"URL={stack.url}/"]
    made = ["make", "-s", "-C", str(ROOT), "-o", ".venv/run.stamp", "upload"]
    ended = subprocess.run([*made, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert [*results_in(out)] == ["a.jpg"]
    ended = subprocess.run([*made, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert len(listed(stack, out)) == 1


def test_nothing_is_written_outside_of_the_results(stack: Stack, tmp_path: Path) -> None:
    folder, out, elsewhere = tmp_path / "photos", tmp_path / "out", tmp_path / "elsewhere"
    photos = {f"{name}.jpg": images.jpeg(seed=seed, size=SIZE) for seed, name in enumerate("ab")}
    write(folder, {f"in/{name}": content for name, content in photos.items()} | photos)
    Run(folder, out, stack.url).ends_with(0)
    write(elsewhere, {"own.jpg": b"own"})
    shutil.rmtree(out / "in")
    (out / "in").symlink_to(elsewhere)
    (out / "a.jpg").unlink()
    os.utime(elsewhere / "own.jpg", (0, 0))
    (out / "a.jpg").symlink_to(elsewhere / "own.jpg")
    said = Run(folder, out, stack.url).ends_with(1)
    assert "\n  in/a.jpg: Its folder in OUT is a link that leads out of it." in said
    assert results_in(elsewhere) == {"own.jpg": b"own"}
    (out / "in").unlink()
    Run(folder, out, stack.url).ends_with(0)
    assert len(results_in(out)) == 4


def test_what_the_gateway_has_forgotten_is_not_sent_again_if_its_result_is_newer(
    stack: Stack, tmp_path: Path
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = {f"{name}.jpg": images.jpeg(seed=seed, size=SIZE) for seed, name in enumerate("abc")}
    write(folder, photos)
    Run(folder, out, stack.url).ends_with(0)
    for item in listed(stack, out):
        url = f"{stack.url}/media/{item['media_id']}"
        httpx.delete(url, trust_env=False).raise_for_status()
    before = results_in(out)
    (out / "b.jpg").unlink()
    os.utime(folder / "c.jpg", (2**32, 2**32))
    assert "3 back" in Run(folder, out, stack.url).ends_with(0)
    assert {item["ref"] for item in listed(stack, out)} == {"b.jpg", "c.jpg"}
    assert results_in(out) == before


def test_one_run_at_a_time_has_a_folder_of_results(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.jpg": images.jpeg(size=SIZE)})
    with imitation({"/media": (200, b"")}) as (url, asked):
        first = Run(folder, out, url)
        until(lambda: "/media" in asked)
        assert f"OUT={out}: another run is at it." in Run(folder, out, url).ends_with(2)
        first.process.kill()
        first.process.wait()
        with (out / ".upload.json").open() as state:
            fcntl.flock(state, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it ended with the run


@pytest.mark.parametrize(
    "answers",
    [
        {"/media": (200, b'{"media": [')},
        {"/media": (200, b"{}")},
        {"/media": (200, b"[]")},
        {"/media": (200, b"[" * 100_000)},
        {"/media": (200, b'{"media": [{}], "next": null, "complete": true}')},
        {"/media": (200, b"no gzip", ("Content-Encoding", "gzip"))},
        {"/media": (503, b"{}", ("Retry-After", "9" * 20))},
        {"/media": (503, b"{}", ("Retry-After", "9" * 5000))},
        {"/media": (200, EMPTY_LIST), "POST": (202, b"{}")},
        {"/media": (200, EMPTY_LIST), "POST": (202, b'{"media_id": "../../x"}')},
    ],
    ids=lambda answers: str(answers)[:60],
)
def test_what_is_no_answer_of_a_gateway_is_tried_again_and_in_the_end_it_gives_up(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.jpg": images.jpeg(size=SIZE)})
    with imitation(answers) as (url, asked):
        said = Run(folder, out, url, MOST_WAIT_S=0.1, GIVE_UP_S=1).ends_with(1)
        assert "error: Nothing has moved for" in said
        assert "0 failed, 1 not yet back." in said
        assert asked[[*answers][-1]] > 1


def test_it_goes_on_where_nobody_reads_what_it_says(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.jpg": images.jpeg(size=SIZE)})
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, str(SCRIPT), str(folder), str(out), "--url", stack.url]
    ended = subprocess.run(command, stdout=written, stderr=subprocess.PIPE)
    os.close(written)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [*results_in(out)] == ["a.jpg"]


def test_the_command_that_is_printed_runs_as_it_is(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    write(folder, {"a.jpg": BROKEN})
    refusal = (413, b'{"detail": "No."}')
    with imitation({"/media": (200, EMPTY_LIST), "POST": refusal}) as (url, _):
        me = url.replace("//", "//me $HOME:not@secret@") + "/'$(id)"
        said = Run(folder, out, me).ends_with(1)
        assert "secret" not in said
        assert "not@" not in said
        command = next(line for line in said.splitlines() if line.startswith("  curl"))
        words = ["curl", "-u", "me $HOME", "-X", "POST"]
        retry = f"{url}/'$(id)/media/retry?batch={batch_of(out)}"
        assert shlex.split(command) == [*words, retry]
