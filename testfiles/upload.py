"""Send a folder of images to a media processor, and bring the results back into another folder.

    python upload.py photos results --url http://localhost:8000

Run it again after any interruption, at any time: it sends what is not there, and fetches what is
not back. It needs Python 3.11, httpx (pip install httpx) and nothing else: take it along.

Exit status: 0 when all results are back, 1 when some are not, 2 for bad input, 130 after Ctrl-C.
"""

import argparse
import asyncio
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

Once = Callable[[], Awaitable[httpx.Response]]
AT_ONCE = 4  # uploads, and as many downloads
MOST_WAIT_S = 60  # before it is tried again
LIST_S, PAGE = 1, 500  # between two lists, and longer where they have many pages
QUIET_S, GIVE_UP_S = 10, 600  # without a movement
NOTE_S, LINE_S = 30, 5  # between two notes, and two lines of progress
AGAIN = (408, 425, 429, *range(500, 600))
GOES_ON = ("central_unreachable", "central_full", "logo_unavailable")  # failed, but not for good
OUT_IS_UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
MOST_REF_BYTES = 1024
NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")  # control characters, and bytes that are not UTF-8
STATE_FILE = ".upload.json"
ULID = re.compile("[0-6][0-9A-HJKMNP-TV-Z]{25}")
ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TLS = httpx.create_ssl_context()  # by SSL_CERT_FILE, too


class Stop(Exception):
    """Why this cannot go on, and what to do about it."""


class Failed(Exception):
    """Why there is no result of a photo, or no answer."""


@dataclass
class Photo:
    """A file on its way. It has ended once its result is back, or with a problem."""

    file: Path
    path: str  # below FOLDER
    problem: str = ""
    is_back: bool = False
    sha256: str = ""
    media_id: str = ""
    moved: int = 0  # how many of its bytes have gone there, then how many have come back


Step = Callable[[Photo], Awaitable[None]]


def photos_in(folder: Path, out: Path, path: str = "", *above: str) -> Iterator[Photo]:
    """All files in the folder and below it, but hidden ones and out. Links are followed."""
    above = (*above, os.path.realpath(folder))
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
        folders = {file for file in files if file.is_dir()}
    except OSError:
        yield Photo(folder, path or ".")  # as unreadable as a file may be
        return
    for file in files:
        if file in folders:
            if os.path.realpath(file) not in (*above, str(out)):  # not in a circle
                yield from photos_in(file, out, f"{path}{file.name}/", *above)
        elif file.is_file() or not file.exists():  # no pipe, say. A dead link is named
            yield Photo(file, path + file.name)


def ref_of(path: str) -> str:
    """The path if the gateway takes it as a ref, else a stand-in that no other path has."""
    ref = plain(path)
    if ref == path and len(ref.encode()) <= MOST_REF_BYTES:
        return ref
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    return f"./{ref.encode()[:900].decode(errors='ignore')}-{digest}"


def plain(text: object) -> str:
    """The text without what a line cannot have."""
    return "".join("_" if unicodedata.category(c) in NOT_IN_A_LINE else c for c in str(text))


def folded(path: str) -> str:
    """The same for two names that some file systems take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def taken_by(paths: Iterable[str]) -> set[str]:
    """These paths and their folders, folded."""
    return {folded(str(part)) for path in map(Path, paths) for part in (path, *path.parents)}


def result_path(path: str, stored_name: str, taken: set[str]) -> str:
    """The photo's path; with the ending of what is stored behind it, if that is another one.

    It is the same at every run, and that of no other photo or result.
    """
    ending = os.path.splitext(stored_name)[1]
    is_other = ending.lower() != os.path.splitext(path)[1].lower()
    if is_other and re.fullmatch(r"\.[A-Za-z0-9]{1,10}", ending):
        path += ending
        while folded(path) in taken:
            path += ending
    return path


def reason_of(response: httpx.Response) -> str:
    """What a service says, in a line."""
    with suppress(ValueError, KeyError, TypeError):
        return plain(response.json()["detail"])
    return f"{response.url.path} answered {response.status_code} {response.reason_phrase}."


def is_in_work(status: str, code: str | None) -> bool:
    return status not in ("stored", "failed") or code in GOES_ON


def new_ulid() -> str:
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(ULID_DIGITS[number >> place & 31] for place in range(125, -1, -5))


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Sent(io.FileIO):
    """A file that says how far it has been read."""

    def __init__(self, file: Path, moved: Callable[[int], None]) -> None:
        super().__init__(file)
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._moved(self.tell())
        return piece


class Screen:
    """Lines, and a last one that is redrawn. Where no terminal is, it is written now and then."""

    def __init__(self) -> None:
        self._clear = "\r\x1b[K" if sys.stdout.isatty() else ""
        self._drawn, self._drawn_at, self._noted_at = "", time.monotonic(), -math.inf

    def note(self, text: str) -> None:
        """Say what is waited for, now and then."""
        if time.monotonic() - self._noted_at >= NOTE_S:
            self._noted_at = time.monotonic()
            print(f"{self._clear}Waiting: {text}", flush=True)

    def draw(self, text: str) -> None:
        if self._clear:
            most = shutil.get_terminal_size().columns - 1
            print(self._clear + text[:most], end="", flush=True)
        elif text not in ("", self._drawn) and time.monotonic() - self._drawn_at >= LINE_S:
            self._drawn, self._drawn_at = text, time.monotonic()
            print(text, flush=True)


class Transfer:
    """Sends the photos that are not there, and fetches the results that are not back."""

    def __init__(self, url: str, out: Path, batch: str, photos: list[Photo]) -> None:
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, verify=TLS, timeout=60)
        self._out, self._batch, self._photos = out, batch, photos
        self._taken = taken_by(photo.path for photo in photos)
        self._there: dict[tuple[str, int], str] = {}  # media_id by ref and size
        self._waiting: dict[str, Photo] = {}  # by media_id: there, and not ended
        self._count, self._screen = Counter[str](), Screen()
        self._moved_at, self._others = time.monotonic(), (0, 0)

    async def run(self) -> None:
        """Raises Failed, and Stop."""
        async with self._http:
            try:
                await asyncio.gather(self._send_all(), self._fetch_all(), self._show())
            finally:
                self._screen.draw("")

    async def _send_all(self) -> None:
        for item in await self._list():  # of several with one ref and size the newest
            self._there[item["ref"], item["size"]] = item["media_id"]
        await self._handle(self._photos, self._send_unless_there)

    async def _fetch_all(self) -> None:
        """List what is in work, and look at what is no longer."""
        while not self._is_over():
            media = []
            if waiting := dict(self._waiting):
                media = await self._list(min(waiting))  # the oldest itself is looked at, too
                for item in media:
                    if is_in_work(item["status"], item["code"]):
                        waiting.pop(item["media_id"], None)
                await self._handle(waiting.values(), self._fetch_if_stored)
            await asyncio.sleep(max(LIST_S, len(media) / PAGE / 5))

    async def _handle(self, photos: Iterable[Photo], step: Step) -> None:
        """Take this step with each of them, some at once."""
        left = iter(photos)

        async def handle_left() -> None:
            for photo in left:
                try:
                    await step(photo)
                except Failed as failed:
                    self._end(photo, str(failed))

        await asyncio.gather(*(handle_left() for _ in range(AT_ONCE)))

    async def _send_unless_there(self, photo: Photo) -> None:
        try:
            photo.sha256 = await asyncio.to_thread(sha256_of, photo.file)
            known = self._there.get((ref_of(photo.path), photo.file.stat().st_size))
            if known and await self._has(known, photo.sha256):
                photo.media_id = known
            else:
                photo.media_id = await self._send(photo)
        except OSError as error:
            raise Failed(f"It cannot be read: {error.strerror}.") from error
        photo.moved, self._moved_at = 0, time.monotonic()
        self._waiting[photo.media_id] = photo
        self._count["sent"] += 1

    async def _has(self, media_id: str, sha256: str) -> bool:
        with suppress(Failed):  # it was deleted
            return bool((await self._read(f"/media/{media_id}"))["sha256"] == sha256)
        return False

    async def _send(self, photo: Photo) -> str:
        """Returns its media_id, the same at a repeat. Raises Failed, and OSError."""
        form = {"batch": self._batch, "ref": ref_of(photo.path)}
        key = hashlib.sha256(" ".join([*form.values(), photo.sha256]).encode()).hexdigest()
        headers = {"Idempotency-Key": f'"{key}"'}

        async def once() -> httpx.Response:
            with Sent(photo.file, partial(self._moved, photo)) as sent:
                files = {"file": (plain(photo.file.name), sent)}
                return await self._ask("POST", "/media", data=form, files=files, headers=headers)

        media_id: str = (await self._patiently(once)).json()["media_id"]
        return media_id

    async def _list(self, after: str | None = None) -> list[dict[str, Any]]:
        """The media of this batch that came after this one, the oldest first."""
        media: list[dict[str, Any]] = []
        asked = {"batch": self._batch, "order": "oldest", "limit": str(PAGE)}
        while True:
            page = await self._read("/media", asked | ({"after": after} if after else {}))
            if not page["complete"]:
                self._screen.note("the gateway has not counted all of its media yet")
                await asyncio.sleep(1)
                continue
            media += page["media"]
            after = page["next"]
            if after is None:
                return media

    async def _fetch_if_stored(self, photo: Photo) -> None:
        """Fetch it, or leave it for the next time. Raises Failed, and Stop."""
        record = await self._read(f"/media/{photo.media_id}")
        reason = record["error"] or {"code": None}
        if is_in_work(record["status"], reason["code"]):
            return
        if record["sha256"] != photo.sha256:
            raise Failed("It changed while it was sent. Run this again.")
        if record["status"] == "failed":
            raise Failed(plain(reason["detail"]))
        if record["stored"] is None:
            raise Failed("Its record was lost.")
        try:
            photo.is_back = await self._fetch(photo, record["stored"])
        except OSError as error:
            if error.errno in OUT_IS_UNUSABLE:
                raise Stop(f"OUT cannot be written: {error.strerror}. Make room.") from error
            raise Failed(f"Its result cannot be written: {error.strerror}.") from error
        if photo.is_back:
            self._end(photo)

    async def _fetch(self, photo: Photo, stored: dict[str, Any]) -> bool:
        """Write the result. Returns whether it is back, now or before. Raises Failed, OSError."""
        result = self._out / result_path(photo.path, stored["name"], self._taken)
        with suppress(FileNotFoundError):
            if await asyncio.to_thread(sha256_of, result) == stored["sha256"]:
                return True
        result.parent.mkdir(parents=True, exist_ok=True)
        part = result.parent / f".{photo.media_id}.part"

        async def once() -> httpx.Response:
            async with self._http.stream("GET", f"/media/{photo.media_id}/image") as response:
                if response.is_success:
                    await self._write(part, response, photo)
                else:
                    await response.aread()
                return response

        try:
            if await self._try(once) is None:
                return False
            if await asyncio.to_thread(sha256_of, part) != stored["sha256"]:
                raise Failed("Its result is not what was stored. Run this again.")
            part.replace(result)
            return True
        finally:
            part.unlink(missing_ok=True)

    async def _write(self, part: Path, response: httpx.Response, photo: Photo) -> None:
        with part.open("wb") as file:
            async for piece in response.aiter_bytes():
                file.write(piece)
                self._moved(photo, file.tell())
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())

    def _moved(self, photo: Photo, position: int) -> None:
        if position > photo.moved:  # else it is a repeat
            photo.moved, self._moved_at = position, time.monotonic()

    def _end(self, photo: Photo, problem: str = "") -> None:
        self._waiting.pop(photo.media_id, None)
        photo.problem = problem
        self._count["failed" if problem else "back"] += 1
        self._moved_at = time.monotonic()

    def _is_over(self) -> bool:
        return self._count["failed"] + self._count["back"] == len(self._photos)

    async def _read(self, path: str, asked: dict[str, str] | None = None) -> dict[str, Any]:
        """Raises Failed."""
        once = partial(self._ask, "GET", path, params=asked)
        answer: dict[str, Any] = (await self._patiently(once)).json()
        return answer

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self._http.request(method, path, **options)
        if response.is_success and response.headers.get("Content-Type") != "application/json":
            raise httpx.RemoteProtocolError(f"something else answers at {response.url.path}")
        return response

    async def _patiently(self, once: Once) -> httpx.Response:
        """A success, whatever it takes. Raises Failed for a refusal."""
        wait_s = 1
        while (response := await self._try(once, wait_s)) is None:
            wait_s = min(2 * wait_s, MOST_WAIT_S)
        return response

    async def _try(self, once: Once, wait_s: float = 1) -> httpx.Response | None:
        """A success; None, after a while, if it may be tried again. Raises Failed for a refusal."""
        try:
            response = await once()
            if response.is_success:
                return response
            reason, retry_after = reason_of(response), response.headers.get("Retry-After", "")
            if response.status_code not in AGAIN:
                raise Failed(reason)
        except httpx.RequestError as error:
            reason, retry_after = plain(str(error) or type(error).__name__), ""
        self._screen.note(reason)
        wait_s = int(retry_after) if retry_after.isdecimal() else wait_s
        await asyncio.sleep(min(wait_s, MOST_WAIT_S))
        return None

    async def _show(self) -> None:
        """Show how far it is, or what it waits for. Raises Failed where nothing moves."""
        asked_at = time.monotonic()
        while not self._is_over():
            now = time.monotonic()
            if now - self._moved_at > GIVE_UP_S:
                raise Failed(f"Nothing has moved for {GIVE_UP_S // 60} minutes.")
            if now - max(self._moved_at, asked_at) > QUIET_S:
                asked_at = now
                await self._explain()
            self._screen.draw(self._progress())
            await asyncio.sleep(0.2)

    async def _explain(self) -> None:
        """Say what the gateway says of itself. While it works for others, nobody gives up."""
        with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
            stats = (await self._http.get("/stats", timeout=QUIET_S)).json()
            self._screen.note(plain(stats["summary"]))
            if (others := (stats["done"], stats["failed"])) != self._others:
                self._others, self._moved_at = others, time.monotonic()

    def _progress(self) -> str:
        total, back, failed = len(self._photos), self._count["back"], self._count["failed"]
        bar = "#" * (20 * (back + failed) // total)
        sent = f"{self._count['sent']:,} of {total:,} sent"
        return f"[{bar:.<20}] {sent}, {back:,} back, {failed:,} failed"


def folders_of(args: argparse.Namespace) -> tuple[Path, Path]:
    """FOLDER and OUT without links. Raises Stop."""
    if not args.folder or not args.out:
        raise Stop("Name a folder and one for the results: FOLDER=photos OUT=results.")
    folder, out = (Path(os.path.realpath(Path(n).expanduser())) for n in (args.folder, args.out))
    if folder.is_relative_to(out):
        raise Stop(f"FOLDER={folder} lies in OUT={out}: results need a folder of their own.")
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise Stop(f"FOLDER={folder}: {error.strerror}. Name a folder of images.") from error
    return folder, out


def check_gateway(url: str) -> None:
    """Raises Stop where no gateway answers."""
    try:
        answer = httpx.get(f"{url}/stats", trust_env=False, verify=TLS, timeout=30)
        with suppress(ValueError, TypeError):
            if "summary" in answer.json():
                return
        reason = f"is no gateway of a media processor: {reason_of(answer)}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = f"gives no answer: {error}."
    advice = "Start it with make run, or say where it is: URL=http://..., or --url."
    raise Stop(f"{without_password(url)} {reason} {advice}")


def batch_of(out: Path, folder: Path, url: str, wanted: str) -> str:
    """The batch that is wanted, or was begun in OUT, or a new one. Kept in OUT. Raises Stop."""
    if wanted and not ULID.fullmatch(wanted):
        raise Stop(f"BATCH={wanted} is no ULID. Leave it out, or copy it from an earlier run.")
    batch, file = wanted or new_ulid(), out / STATE_FILE
    state = {"url": without_password(url), "folder": str(folder), "batch": batch}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not wanted and file.exists():
            begun = json.loads(file.read_bytes())
            state["batch"] = begun["batch"]
            if begun != state:
                whose = f"has the results of {begun['folder']} from {begun['url']}"
                raise Stop(f"OUT={out} {whose}. Name another folder, or the BATCH to go on with.")
        elif not wanted and any(not other.name.startswith(".") for other in out.iterdir()):
            raise Stop(f"OUT={out} has other files. Name a new folder: nothing is replaced.")
        with (part := out / f"{STATE_FILE}.part").open("w") as opened:
            json.dump(state, opened)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
    except (ValueError, KeyError, TypeError) as error:
        raise Stop(f"{file} is damaged. Name the BATCH to go on with, or a new OUT.") from error
    except OSError as error:
        raise Stop(f"OUT={out}: {error.strerror}. Name a folder to write to.") from error
    return state["batch"]


def without_password(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def report(out: str, photos: list[Photo], batch: str, url: str) -> bool:
    """Say what is back, what is not, and what to do. Returns whether all is back."""
    failed = [photo for photo in photos if photo.problem]
    back = sum(photo.is_back for photo in photos)
    left = len(photos) - back - len(failed)
    parts = [f"{back:,} back in {out}", f"{len(failed):,} failed"]
    print(", ".join(parts + [f"{left:,} not yet back"] * bool(left)) + (":" if failed else "."))
    for photo in failed:
        print(f"  {plain(photo.path)}: {photo.problem}")
    if failed:
        print("Mend them, then run this again. What the gateway has taken may be retried as it is:")
        print(f"  curl -X POST '{without_password(url)}/media/retry?batch={batch}'")
    if left:
        print("Run this again to go on.")
    return back == len(photos)


def main() -> int:
    parser = argparse.ArgumentParser(description="Send a folder of images, bring the results back.")
    parser.add_argument("folder", help="the images, in folders within folders")
    parser.add_argument("out", help="where the results go")
    parser.add_argument("--url", default="http://localhost:8000", help="the gateway")
    parser.add_argument("--batch", default="", help="go on with an earlier run's")
    args = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have any characters
    url, status, batch, photos = args.url.rstrip("/"), 0, "", list[Photo]()
    try:
        folder, out = folders_of(args)
        check_gateway(url)
        photos += photos_in(folder, out)
        if not photos:
            raise Stop(f"FOLDER={folder} has no files. Name a folder of images.")
        batch = batch_of(out, folder, url, args.batch)
        print(f"{len(photos):,} files to {without_password(url)}, batch {batch}.")
        print("Run this again after an interruption: it goes on.", flush=True)
        asyncio.run(Transfer(url, out, batch, photos).run())
    except KeyboardInterrupt:
        print("\nInterrupted.")
        status = 130
    except (Stop, Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2 if isinstance(error, Stop) else 1
    is_back = not batch or report(args.out, photos, batch, url)
    return status or int(not is_back)


if __name__ == "__main__":
    sys.exit(main())
