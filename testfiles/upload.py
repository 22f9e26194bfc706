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
import shlex
import shutil
import sys
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

AT_ONCE = 4  # uploads, and as many downloads
WAITS_S = (1, 2, 4, 8, 16, 32)  # before it is tried again, then always 60
LIST_S = 1  # between two lists at least, and ten times what one takes the gateway
QUIET_S, GIVE_UP_S = 10, 600  # without a movement
NOTE_S, SAME_NOTE_S, LINE_S = 10, 60, 5  # a note, the same note, a line of progress: so often
AGAIN = (408, 425, 429, *range(500, 600))
GOES_ON = ("central_unreachable", "central_full", "logo_unavailable")  # failed, but not for good
OUT_IS_UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
MOST_REF_BYTES = 1024
NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")  # control characters, and bytes that are not UTF-8
STATE_FILE = ".upload.json"
ULID = re.compile("[0-6][0-9A-HJKMNP-TV-Z]{25}")
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # of a ULID
PYTHONS_DIGITS = str.maketrans(DIGITS, "0123456789abcdefghijklmnopqrstuv")
TLS = httpx.create_ssl_context()  # by SSL_CERT_FILE, too
RUN_AGAIN = "Mend it, then run this again."
RETRY = "Retry it, or mend it and run this again."


class Stop(Exception):
    """Why this cannot go on, what to do about it, and the exit status."""


class Refused(Exception):
    """What the gateway says. It would say the same again."""


@dataclass
class Photo:
    """A file on its way. It has ended once its result is back, or with a problem."""

    file: Path
    path: str  # below FOLDER
    ref: str
    size: int = 0
    mtime_ns: int = 0
    media_id: str = ""
    is_there: bool = False
    is_back: bool = False
    problem: str = ""
    moved: int = 0  # the bytes that have gone there and come back, but for those of repeats

    def look(self, facts: os.stat_result) -> bool:
        """Note its size and time. Returns whether they are others than before."""
        before = (self.size, self.mtime_ns)
        self.size, self.mtime_ns = facts.st_size, facts.st_mtime_ns
        return before != (self.size, self.mtime_ns)


def photos_in(folder: Path, out: Path, path: str = "", *above: Path) -> Iterator[Photo]:
    """All files in the folder and below it, but hidden ones and out. Links are followed."""
    above = (*above, folder.resolve())
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        yield Photo(folder, path, ref_of(path), problem=unreadable(error))
        return
    for file in files:
        photo = Photo(file, path + file.name, ref_of(path + file.name))
        try:
            if file.is_dir():
                if file.resolve() not in (*above, out):  # not in a circle
                    yield from photos_in(file, out, f"{photo.path}/", *above)
                continue
            if file.exists() and not file.is_file():  # a pipe, say
                continue
            photo.look(file.stat())
        except OSError as error:
            photo.problem = unreadable(error)
        yield photo


def ref_of(path: str) -> str:
    """The path if the gateway takes it as a ref, else a stand-in that no other path has."""
    ref = path if is_plain(path) else f"./{plain(path)}"
    if len(ref.encode()) <= MOST_REF_BYTES:
        return ref
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    return f".//{ref.encode()[:900].decode(errors='ignore')}-{digest}"


def is_plain(text: str) -> bool:
    return not any(unicodedata.category(char) in NOT_IN_A_LINE for char in text)


def plain(text: str) -> str:
    """The text if it is a line, else with %XX for what a line cannot have, and for each %."""
    if is_plain(text):
        return text
    kept = (char if is_plain(char) and char != "%" else quote(os.fsencode(char)) for char in text)
    return "".join(kept)


def unreadable(error: OSError) -> str:
    return f"It cannot be read: {error.strerror}. {RUN_AGAIN}"


def reason_of(response: httpx.Response) -> str:
    """What a service says, in a line."""
    with suppress(ValueError, KeyError, TypeError):
        return line(response.json()["detail"])
    return f"{response.url.path} answered {response.status_code} {response.reason_phrase}."


def line(text: object) -> str:
    """What somebody else has written, as a terminal may have it."""
    return "".join(char if char.isprintable() else " " for char in str(text))


def is_in_work(media: dict[str, Any]) -> bool:
    return media["status"] not in ("stored", "failed") or media["code"] in GOES_ON


def ulid(number: int) -> str:
    return "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(26)))


def new_ulid() -> str:
    return ulid(time.time_ns() // 1_000_000 << 80 | secrets.randbits(80))


def number_of(ulid: str) -> int:
    return int(ulid.translate(PYTHONS_DIGITS), 32)


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Names:
    """Where the results go: to their photos' paths, with the endings that they are stored with."""

    def __init__(self, photos: Iterable[Photo]) -> None:
        self._paths, self._claims = set[str](), Counter[str]()
        for path in (photo.path for photo in photos):
            self._paths |= {folded(path), *(folded(str(above)) for above in Path(path).parents)}
            self._claims.update({folded(path), folded(os.path.splitext(path)[0])})

    def of(self, path: str, stored_name: str) -> str:
        """The same at every run, and no other's: a.png and a.jpg may become a.png.webp ..."""
        (stem, has), ending = os.path.splitext(path), os.path.splitext(stored_name)[1]
        if ending.lower() == has.lower() or not re.fullmatch(r"\.[A-Za-z0-9]{1,10}", ending):
            return path
        for base in (stem, path):
            if self._claims[folded(base)] == 1 and folded(base + ending) not in self._paths:
                return base + ending
        return f"{path}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}{ending}"


def folded(path: str) -> str:
    """The same for two names that some file systems take for one."""
    return unicodedata.normalize("NFC", path).casefold()


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
        self._is_terminal = sys.stdout.isatty()
        self._drawn, self._drawn_at = "", time.monotonic()
        self._noted, self._noted_at = "", -math.inf

    def say(self, text: str) -> None:
        print(f"\r\x1b[K{text}" if self._is_terminal else text, flush=True)

    def note(self, text: str) -> None:
        """Say what is waited for, now and then."""
        now = time.monotonic()
        if now - self._noted_at >= (SAME_NOTE_S if text == self._noted else NOTE_S):
            self._noted, self._noted_at = text, now
            self.say(f"Waiting: {text}")

    def draw(self, text: str) -> None:
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns
            print(f"\r\x1b[K{text[: columns - 1]}", end="", flush=True)
        elif text and text != self._drawn and time.monotonic() - self._drawn_at >= LINE_S:
            self._drawn, self._drawn_at = text, time.monotonic()
            print(text, flush=True)


class Transfer:
    """Sends the photos that are not there, and fetches the results that are not back."""

    def __init__(self, http: httpx.AsyncClient, out: Path, batch: str, photos: list[Photo]) -> None:
        self._http, self._out, self._batch, self._photos = http, out, batch, photos
        self._names, self._screen = Names(photos), Screen()
        self._waiting: dict[str, Photo] = {}  # by media_id: there, and in work
        self._settled = asyncio.Queue[Photo | None]()  # there, and no longer in work
        self._count, self._over = Counter[str](), asyncio.Event()
        self._moved_at = self._asked_at = time.monotonic()
        self._others, self._others_moved_at = (None, None), self._moved_at
        self._rates = deque([(self._moved_at, 0, 0)], maxlen=100)

    async def run(self) -> None:
        """Raises Refused, and Stop."""
        there = await self._there()
        for photo in self._photos:
            if photo.problem:
                self._end(photo, photo.problem)
            photo.media_id = there.get((photo.ref, photo.size), "")
            received_ms = number_of(photo.media_id) >> 80 if photo.media_id else 0
            if not photo.problem and photo.mtime_ns < received_ms * 1_000_000:
                self._wait_for(photo)
        unsent = (photo for photo in self._photos if not photo.problem and not photo.is_there)
        senders = [self._send_all(unsent) for _ in range(AT_ONCE)]
        fetchers = [self._fetch_all() for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*senders, *fetchers, self._watch(), self._show())
        finally:
            self._screen.draw("")

    async def _there(self) -> dict[tuple[str, int], str]:
        """The media of this batch by ref and size; of several the newest."""
        while True:
            media, is_complete = await self._list()
            if is_complete:
                return {(item["ref"], item["size"]): item["media_id"] for item in media}
            self._screen.note("the gateway has not counted all of its media yet")
            await asyncio.sleep(1)

    async def _list(self, after: str | None = None) -> tuple[list[dict[str, Any]], bool]:
        """The media of this batch, the oldest first, and whether it is all of them."""
        media: list[dict[str, Any]] = []
        self._listing_s = 0.0
        asked = {"batch": self._batch, "order": "oldest", "limit": "500"}
        while True:
            response = await self._read("/media", asked | ({"after": after} if after else {}))
            self._listing_s += response.elapsed.total_seconds()
            page = response.json()
            media += page["media"]
            if not page["complete"] or (after := page["next"]) is None:
                return media, page["complete"]

    async def _send_all(self, photos: Iterator[Photo]) -> None:
        for photo in photos:
            try:
                if photo.media_id and await self._is_same(photo):
                    self._wait_for(photo)
                else:
                    await self._send(photo)
            except OSError as error:
                self._end(photo, unreadable(error))

    async def _is_same(self, photo: Photo) -> bool:
        """Whether what is there is this file, which was written later."""
        with suppress(Refused):
            record = (await self._read(f"/media/{photo.media_id}")).json()
            return bool(record["sha256"] == await asyncio.to_thread(sha256_of, photo.file))
        return False

    async def _send(self, photo: Photo) -> None:
        has_changed = False

        async def once() -> httpx.Response:
            nonlocal has_changed
            with Sent(photo.file, partial(self._moved, photo)) as file:
                photo.look(os.fstat(file.fileno()))
                key = f"{self._batch} {photo.ref} {photo.size} {photo.mtime_ns}"
                response = await self._ask(
                    "POST",
                    "/media",
                    data={"batch": self._batch, "ref": photo.ref},
                    files={"file": (plain(photo.file.name), file)},
                    headers={"Idempotency-Key": f'"{hashlib.sha256(key.encode()).hexdigest()}"'},
                )
                has_changed = photo.look(os.fstat(file.fileno()))
                return response

        response = await self._patiently(once)
        if response.status_code != httpx.codes.ACCEPTED:
            self._end(photo, f"{reason_of(response)} {RUN_AGAIN}")
        elif has_changed:
            self._end(photo, "It changed while it was sent. Run this again.")
        else:
            photo.media_id = response.json()["media_id"]
            self._wait_for(photo)

    def _wait_for(self, photo: Photo) -> None:
        photo.is_there = True
        self._count["there"] += 1
        self._waiting[photo.media_id] = photo
        self._moved_at = time.monotonic()

    async def _watch(self) -> None:
        """List what is in work, until all have ended. What has left the list is looked at, too."""
        while not self._over.is_set():
            if self._waiting:
                waiting = set(self._waiting)
                media, is_complete = await self._list(ulid(number_of(min(waiting)) - 1))
                goes_on = {item["media_id"] for item in media if is_in_work(item)}
                is_listed = {item["media_id"] for item in media}
                for media_id in waiting - goes_on if is_complete else waiting & is_listed - goes_on:
                    self._settled.put_nowait(self._waiting.pop(media_id))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), max(LIST_S, 10 * self._listing_s))
        for _ in range(AT_ONCE):
            self._settled.put_nowait(None)

    async def _fetch_all(self) -> None:
        while photo := await self._settled.get():
            try:
                await self._settle(photo)
            except Refused as refused:
                self._end(photo, f"{refused} Run this again.")
            except OSError as error:
                if error.errno in OUT_IS_UNUSABLE:
                    raise Stop(f"OUT cannot be written: {error.strerror}. Make room.", 2) from error
                self._end(photo, f"Its result cannot be written: {error.strerror}.")

    async def _settle(self, photo: Photo) -> None:
        record = (await self._read(f"/media/{photo.media_id}")).json()
        error = record["error"] or {"code": None}
        if is_in_work({**record, **error}):
            self._waiting[photo.media_id] = photo
        elif record["status"] == "failed":
            self._end(photo, f"{error['detail']} {RETRY}")
        elif record["stored"] is None:
            raise Refused("Its record was lost.")
        else:
            await self._fetch(photo, record["stored"])
            self._end(photo)

    async def _fetch(self, photo: Photo, stored: dict[str, Any]) -> None:
        """Write the result, unless it is back already. Raises Refused and OSError."""
        result = self._out / self._names.of(photo.path, stored["name"])
        with suppress(FileNotFoundError):
            if await asyncio.to_thread(sha256_of, result) == stored["sha256"]:
                return
        result.parent.mkdir(parents=True, exist_ok=True)
        part = result.parent / f".{photo.media_id}.part"

        async def once() -> httpx.Response:
            url = f"/media/{photo.media_id}/image"
            async with self._http.stream("GET", url) as response:
                if not response.is_success:
                    await response.aread()
                elif await self._write(part, response, photo) != stored["sha256"]:
                    raise httpx.RemoteProtocolError(f"{response.url.path} is not what was stored")
                return response

        try:
            response = await self._patiently(once)
            if not response.is_success:
                raise Refused(reason_of(response))
            part.replace(result)
        finally:
            part.unlink(missing_ok=True)

    async def _write(self, part: Path, response: httpx.Response, photo: Photo) -> str:
        """Write the body to the disk. Returns its SHA-256."""
        digest = hashlib.sha256()
        with part.open("wb") as file:
            async for piece in response.aiter_bytes():
                digest.update(piece)
                file.write(piece)
                self._moved(photo, photo.size + file.tell())
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return digest.hexdigest()

    def _moved(self, photo: Photo, position: int) -> None:
        if position > photo.moved:
            self._count["bytes"] += position - photo.moved
            photo.moved, self._moved_at = position, time.monotonic()

    def _end(self, photo: Photo, problem: str = "") -> None:
        photo.problem, photo.is_back = problem, not problem
        self._count["failed" if problem else "back"] += 1
        self._moved_at = time.monotonic()
        if self._count["failed"] + self._count["back"] == len(self._photos):
            self._over.set()

    async def _read(self, path: str, asked: dict[str, str] | None = None) -> httpx.Response:
        """Raises Refused."""
        response = await self._patiently(partial(self._ask, "GET", path, params=asked))
        if not response.is_success:
            raise Refused(reason_of(response))
        return response

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self._http.request(method, path, **options)
        if response.is_success and response.headers.get("Content-Type") != "application/json":
            raise httpx.RemoteProtocolError(f"something else answers at {response.url.path}")
        return response

    async def _patiently(self, once: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """What once() gives: again and again while it is no answer, or one that asks to wait."""
        for wait_s in chain(WAITS_S, repeat(60)):
            try:
                response = await once()
            except httpx.TransportError as error:
                reason, retry_after = str(error) or type(error).__name__, ""
            else:
                if response.status_code not in AGAIN:
                    return response
                reason, retry_after = reason_of(response), response.headers.get("Retry-After", "")
            self._screen.note(reason)
            await asyncio.sleep(int(retry_after) if retry_after.isdecimal() else wait_s)
        raise AssertionError("it waits for ever")

    async def _show(self) -> None:
        """Raises Stop where nothing moves."""
        while not self._over.is_set():
            now = time.monotonic()
            if now - max(self._moved_at, self._others_moved_at) > GIVE_UP_S:
                raise Stop(f"Nothing has moved for {GIVE_UP_S // 60} minutes.", 1)
            if min(now - self._moved_at, now - self._asked_at) > QUIET_S:
                self._asked_at = now
                await self._explain()
            self._screen.draw(self._progress(now))
            await asyncio.sleep(0.2)

    async def _explain(self) -> None:
        """Say what the gateway says of itself. While it works for others, nobody gives up."""
        with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
            stats = (await self._http.get("/stats", timeout=QUIET_S)).json()
            self._screen.note(line(stats["summary"]))
            if (others := (stats["done"], stats["failed"])) != self._others:
                self._others, self._others_moved_at = others, time.monotonic()

    def _progress(self, now: float) -> str:
        count, total = self._count, len(self._photos)
        ended = count["back"] + count["failed"]
        self._rates.append((now, ended, count["bytes"]))
        since, ended_then, bytes_then = self._rates[0]
        seconds = max(now - since, 0.1)
        bar = "#" * (20 * ended // total)
        done = f"{count['there']:,} of {total:,} sent, {count['back']:,} back"
        speed = f"{(count['bytes'] - bytes_then) / seconds / 1e6:.1f} MB/s"
        line = f"[{bar:.<20}] {done}, {count['failed']:,} failed, {speed}"
        if ended == ended_then:
            return line
        return f"{line}, {(total - ended) * seconds / (ended - ended_then) / 60:.1f} min left"


def folders_of(args: argparse.Namespace) -> tuple[Path, Path]:
    """FOLDER and OUT without links. Raises Stop."""
    if not args.folder or not args.out:
        raise Stop("Name a folder and one for the results: FOLDER=photos OUT=results.", 2)
    folder, out = (
        Path(os.path.realpath(Path(name).expanduser())) for name in (args.folder, args.out)
    )
    if folder.is_relative_to(out):
        raise Stop(f"FOLDER={folder} lies in OUT={out}: results need a folder of their own.", 2)
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise Stop(f"FOLDER={folder}: {error.strerror}. Name a folder of images.", 2) from error
    return folder, out


def check_gateway(url: str) -> None:
    """Raises Stop where no gateway answers."""
    advice = "Start it with make run, or say where it is: URL=http://..., or --url."
    try:
        answer = httpx.get(f"{url}/stats", trust_env=False, verify=TLS, timeout=30)
        if "summary" not in answer.json():
            raise ValueError
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Stop(f"{without_password(url)}: {error}. {advice}", 2) from error
    except (ValueError, TypeError) as error:
        what = f"{without_password(url)} is no gateway of a media processor"
        raise Stop(f"{what}: {reason_of(answer)} {advice}", 2) from error


def batch_of(out: Path, folder: Path, url: str, wanted: str) -> str:
    """The batch that is wanted, or was begun in OUT, or a new one. Kept in OUT. Raises Stop."""
    if wanted and not ULID.fullmatch(wanted):
        raise Stop(f"BATCH={wanted} is no ULID. Leave it out, or copy it from an earlier run.", 2)
    state = {"url": without_password(url), "folder": str(folder)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        begun = json.loads((out / STATE_FILE).read_bytes()) if (out / STATE_FILE).exists() else {}
        if not begun and any(not file.name.startswith(".") for file in out.iterdir()):
            raise Stop(f"OUT={out} has other files. Name a new folder: nothing is replaced.", 2)
        if begun and not wanted and begun != state | {"batch": begun["batch"]}:
            whose = f"has the results of {begun['folder']} from {begun['url']}"
            raise Stop(f"OUT={out} {whose}. Name another folder, or the BATCH to go on with.", 2)
        batch = wanted or begun.get("batch") or new_ulid()
        keep(out, json.dumps(state | {"batch": batch}))
    except (ValueError, KeyError, TypeError) as error:
        raise Stop(f"{out / STATE_FILE} is damaged. Remove it, and name the BATCH.", 2) from error
    except OSError as error:
        raise Stop(f"OUT={out}: {error.strerror}. Name a folder to write to.", 2) from error
    return batch


def keep(out: Path, state: str) -> None:
    """Write the state file, so that no power cut takes it away."""
    part = out / f"{STATE_FILE}.part"
    with part.open("w") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())
    part.replace(out / STATE_FILE)
    for folder in (out, out.parent):
        with suppress(OSError):  # Windows opens no folder
            opened = os.open(folder, os.O_RDONLY)
            os.fsync(opened)
            os.close(opened)


def without_password(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def command(args: argparse.Namespace, batch: str) -> str:
    """How to run this again, as it was run: by make or not."""
    url = without_password(args.url)
    if "MAKELEVEL" not in os.environ:
        words = [args.folder, args.out, "--url", url, "--batch", batch]
        return shlex.join(["python", sys.argv[0], *words])
    named = {"FOLDER": args.folder, "OUT": args.out, "URL": url, "BATCH": batch}
    values = {name: shlex.quote(value.replace("$", "$$")) for name, value in named.items()}
    return " ".join(["make upload", *(f"{name}={value}" for name, value in values.items())])


def report(args: argparse.Namespace, photos: list[Photo], batch: str) -> bool:
    """Say what is back, what is not, and what to do. Returns whether all is back."""
    failed = [photo for photo in photos if photo.problem]
    back = sum(1 for photo in photos if photo.is_back)
    left = len(photos) - back - len(failed)
    parts = [f"{back:,} back in {args.out}", f"{len(failed):,} failed"]
    print(", ".join(parts + [f"{left:,} not yet back"] * bool(left)) + (":" if failed else "."))
    for photo in failed:
        print(f"  {photo.ref or '.'}: {photo.problem}")
    if any(photo.problem.endswith(RETRY) for photo in failed):
        url = without_password(args.url)
        print(f"To retry: make retry-failed BATCH={batch} URL={url}, or")
        print(f"          curl -X POST '{url}/media/retry?batch={batch}'")
    return back == len(photos)


async def transfer(url: str, out: Path, batch: str, photos: list[Photo]) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=TLS, timeout=60) as http:
        await Transfer(http, out, batch, photos).run()


def main() -> int:
    parser = argparse.ArgumentParser(description="Send a folder of images, bring the results back.")
    parser.add_argument("folder", help="the images, in folders within folders")
    parser.add_argument("out", help="where the results go")
    parser.add_argument("--url", default="http://localhost:8000", help="the gateway")
    parser.add_argument("--batch", default="", help="go on with an earlier run's")
    args = parser.parse_args()
    args.url = args.url.rstrip("/")
    photos: list[Photo] = []
    batch, status = "", 0
    try:
        folder, out = folders_of(args)
        check_gateway(args.url)
        photos = list(photos_in(folder, out))
        if not photos:
            raise Stop(f"FOLDER={folder} has no files. Name a folder of images.", 2)
        batch = batch_of(out, folder, args.url, args.batch)
        print(f"{len(photos):,} files to {without_password(args.url)}, batch {batch}.")
        print(f"To go on after an interruption: {command(args, batch)}", flush=True)
        asyncio.run(transfer(args.url, out, batch, photos))
    except KeyboardInterrupt:
        print("\nInterrupted.")
        status = 130
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        status = 1
    except Stop as stop:
        sentence, status = stop.args
        print(f"error: {sentence}", file=sys.stderr)
    if batch and not report(args, photos, batch):
        print(f"To go on: {command(args, batch)}")
        return status or 1
    return status


if __name__ == "__main__":
    sys.exit(main())
