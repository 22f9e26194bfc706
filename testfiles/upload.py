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
import os
import re
import secrets
import shlex
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

import h11
import httpx

Once = Callable[[], Awaitable[httpx.Response]]
Step = Callable[["Photo"], Awaitable[None]]
AT_ONCE = 4  # uploads, and as many downloads
MOST_WAIT_S = 60  # before it is tried again
LIST_S, PAGE = 1, 500  # between two lists, and longer where they have many pages
QUIET_S, GIVE_UP_S = 10, 600  # without a movement
LINE_S = 5  # between two lines where no terminal is
AGAIN = (408, 425, 429, *range(500, 600))
GOES_ON = ("central_unreachable", "central_full", "logo_unavailable")  # failed, but not for good
OUT_IS_UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
MOST_REF_BYTES, MOST_NAME_BYTES = 1024, 255
NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")  # control characters, and bytes that are not UTF-8
ENDINGS = ["", ".jpg", ".png", ".webp", ".avif", ".tif", ".gif", ".bmp", ".jp2"]  # of results
STATE_FILE = ".upload.json"
ULID = re.compile("[0-6][0-9A-HJKMNP-TV-Z]{25}")
ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SENT = {"media_id": ULID}
ITEM = {"media_id": ULID, "ref": str | None, "size": int, "status": str, "code": str | None}
LIST = {"complete": True, "next": str | None, "media": [ITEM]}  # else it has not counted all yet
REASON, STORED = {"code": str, "detail": str}, {"name": str, "sha256": str}
RECORD = {"status": str, "sha256": str | None, "error": (REASON, None), "stored": (STORED, None)}
CHANGED = "It changed while it was sent. Run this again."
CLEAR = "\r\x1b[K" if sys.stdout.isatty() else ""  # the line
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
    was_there: bool = False
    sha256: str = ""
    media_id: str = ""
    moved: int = 0  # how many of its bytes have gone there, then how many have come back


def photos_in(folder: Path, out: Path, path: str = "", *above: str) -> Iterator[Photo]:
    """All files in the folder and below it, but hidden ones and results. Links are followed."""
    above = (*above, os.path.realpath(folder))
    try:
        if path and (folder / STATE_FILE).exists():
            return  # an earlier OUT
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
    return f"./{stand_in(path, 900)}"


def stand_in(text: str, kept_bytes: int) -> str:
    """Its begin and its digest."""
    digest = hashlib.sha256(os.fsencode(text)).hexdigest()
    return f"{plain(text).encode()[:kept_bytes].decode(errors='ignore')}-{digest}"


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
    if not is_other or not re.fullmatch(r"\.[A-Za-z0-9]{1,10}", ending):
        return path
    result = Path(path + ending)
    while folded(str(result)) in taken or len(os.fsencode(result.name)) > MOST_NAME_BYTES:
        result = result.with_name(stand_in(result.name, 100) + ending)
    return str(result)


def reason_of(response: httpx.Response) -> str:
    """What a service says, in a line."""
    with suppress(ValueError, KeyError, TypeError):
        return plain(response.json()["detail"])
    return f"{response.url.path} answered {response.status_code} {response.reason_phrase}."


def fits(answer: Any, shape: Any) -> bool:
    """Whether it is of this type or pattern, has these fields and items, or is one of a tuple."""
    with suppress(KeyError, TypeError):
        if isinstance(shape, dict):
            return all(fits(answer[name], shape[name]) for name in shape)
        if isinstance(shape, list):
            return all(fits(item, shape[0]) for item in answer)
        if isinstance(shape, tuple):
            return any(fits(answer, one) for one in shape)
        if isinstance(shape, re.Pattern):
            return bool(shape.fullmatch(answer))
        return shape is answer or isinstance(answer, shape)
    return False


def is_in_work(status: str, code: str | None) -> bool:
    return status not in ("stored", "failed") or code in GOES_ON


def new_ulid() -> str:
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(ULID_DIGITS[number >> place & 31] for place in range(125, -1, -5))


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_newer(result: Path, photo: Photo) -> bool:
    """As make judges it."""
    return result.exists() and result.stat().st_mtime >= photo.file.stat().st_mtime


def say(text: str, end: str = "\n") -> None:
    """Print it. Where nobody reads on, as behind `| head`, the rest goes on without a word."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Sent(io.FileIO):
    """A file that says how far it has been read."""

    def __init__(self, file: Path, moved: Callable[[int], None]) -> None:
        super().__init__(file)
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._moved(self.tell())
        return piece


class Transfer:
    """Sends the photos that are not there, and fetches the results that are not back."""

    def __init__(self, url: str, out: Path, batch: str, photos: list[Photo]) -> None:
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, verify=TLS, timeout=60)
        self._out, self._batch, self._photos = out, batch, photos
        self._taken = taken_by(photo.path for photo in photos)
        self._there: dict[str, dict[int, str]] = {}  # media_id by ref, then size
        self._waiting: dict[str, Photo] = {}  # by media_id: there, and not ended
        self._count, self._others = Counter[str](), (0, 0)
        self._moved_at = self._drawn_at = time.monotonic()
        self._reason = self._drawn = ""  # why it waits, what was drawn

    async def run(self) -> None:
        """Raises Failed, and Stop."""
        async with self._http:
            try:
                await asyncio.gather(self._send_all(), self._fetch_all(), self._show())
            finally:
                say(CLEAR, end="")

    async def _send_all(self) -> None:
        for item in await self._list():  # of several with one ref and size the newest
            self._there.setdefault(item["ref"], {})[item["size"]] = item["media_id"]
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
                except h11.LocalProtocolError:  # it is longer or shorter than it was
                    self._end(photo, CHANGED)
                except OSError as error:
                    if error.errno in OUT_IS_UNUSABLE:
                        why = f"OUT cannot be written: {error.strerror}. Make room."
                        raise Stop(why) from error
                    what = "Its result cannot be written" if photo.media_id else "It cannot be read"
                    self._end(photo, f"{what}: {error.strerror}.")

        await asyncio.gather(*(handle_left() for _ in range(AT_ONCE)))

    async def _send_unless_there(self, photo: Photo) -> None:
        """Raises Failed, and OSError."""
        photo.sha256 = await asyncio.to_thread(sha256_of, photo.file)
        there, size = self._there.get(ref_of(photo.path), {}), photo.file.stat().st_size
        results = (self._result_of(photo, f"x{ending}") for ending in ENDINGS)
        if not there and any(is_newer(result, photo) for result in results):
            self._count["sent"] += 1
            return self._end(photo)  # its record was dropped, or somebody deleted it
        with suppress(Failed, KeyError):  # it was deleted, or never there
            record = await self._read(RECORD, f"/media/{there[size]}")
            photo.was_there = record["sha256"] == photo.sha256
        if photo.was_there:
            photo.media_id = there[size]
        else:
            photo.media_id = (await self._patiently(partial(self._post, photo)))["media_id"]
        photo.moved = 0
        self._waiting[photo.media_id] = photo
        self._count["sent"] += 1
        return self._has_moved()

    def _result_of(self, photo: Photo, stored_name: str) -> Path:
        """Raises Failed."""
        result = self._out / result_path(photo.path, stored_name, self._taken)
        if not Path(os.path.realpath(result.parent)).is_relative_to(self._out):
            raise Failed("Its folder in OUT is a link that leads out of it. Remove the link.")
        return result

    async def _post(self, photo: Photo) -> httpx.Response:
        """Its answer has the same media_id at a repeat. Raises OSError."""
        form = {"batch": self._batch, "ref": ref_of(photo.path)}
        key = hashlib.sha256(" ".join([*form.values(), photo.sha256]).encode()).hexdigest()
        headers = {"Idempotency-Key": f'"{key}"'}
        with Sent(photo.file, partial(self._moved, photo)) as sent:
            files = {"file": (plain(photo.file.name), sent)}
            asked = {"data": form, "files": files, "headers": headers}
            return await self._ask(SENT, "POST", "/media", **asked)

    async def _list(self, after: str | None = None) -> list[dict[str, Any]]:
        """The media of this batch that came after this one, the oldest first."""
        media: list[dict[str, Any]] = []
        asked = {"batch": self._batch, "order": "oldest", "limit": str(PAGE)}
        while True:
            page = await self._read(LIST, "/media", **asked, **({"after": after} if after else {}))
            media += page["media"]
            if (after := page["next"]) is None:
                return media

    async def _fetch_if_stored(self, photo: Photo) -> None:
        """Fetch it, or leave it for the next time. Raises Failed, and OSError."""
        record = await self._read(RECORD, f"/media/{photo.media_id}")
        reason = record["error"] or {"code": None, "detail": "Its record was lost."}
        if is_in_work(record["status"], reason["code"]):
            return
        if record["sha256"] != photo.sha256:
            raise Failed(CHANGED)
        if record["status"] == "failed" or record["stored"] is None:
            raise Failed(plain(reason["detail"]))
        if await self._fetch(photo, record["stored"]):
            self._end(photo)

    async def _fetch(self, photo: Photo, stored: dict[str, Any]) -> bool:
        """Write the result. Returns whether it is back, now or before. Raises Failed, OSError."""
        result = self._result_of(photo, stored["name"])
        with suppress(FileNotFoundError):
            if await asyncio.to_thread(sha256_of, result) == stored["sha256"]:
                return True
            if photo.was_there and is_newer(result, photo):
                raise Failed("Its result was changed in OUT. Move it away to have it as stored.")
        result.parent.mkdir(parents=True, exist_ok=True)
        part = result.parent / f".{photo.media_id}.part"
        try:
            if await self._try(partial(self._get, photo, part)) is None:
                return False
            if await asyncio.to_thread(sha256_of, part) != stored["sha256"]:
                raise Failed("Its result is not what was stored. Run this again.")
            part.replace(result)
            return True
        finally:
            part.unlink(missing_ok=True)

    async def _get(self, photo: Photo, part: Path) -> httpx.Response:
        async with self._http.stream("GET", f"/media/{photo.media_id}/image") as response:
            await (self._write(part, response, photo) if response.is_success else response.aread())
            return response

    async def _write(self, part: Path, response: httpx.Response, photo: Photo) -> None:
        with part.open("wb") as file:
            async for piece in response.aiter_bytes():
                file.write(piece)
                self._moved(photo, file.tell())
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())

    def _moved(self, photo: Photo, position: int) -> None:
        if position > photo.moved:  # else it is a repeat
            photo.moved = position
            self._has_moved()

    def _has_moved(self) -> None:
        self._moved_at, self._reason = time.monotonic(), ""

    def _end(self, photo: Photo, problem: str = "") -> None:
        self._waiting.pop(photo.media_id, None)
        photo.problem, photo.is_back = problem, not problem
        self._count["failed" if problem else "back"] += 1
        self._has_moved()

    def _is_over(self) -> bool:
        return self._count["failed"] + self._count["back"] == len(self._photos)

    async def _read(self, shape: Any, path: str, **asked: str) -> Any:
        """Raises Failed."""
        return await self._patiently(partial(self._ask, shape, "GET", path, params=asked))

    async def _ask(self, shape: Any, method: str, path: str, **options: Any) -> httpx.Response:
        """What a gateway answers. A success of this shape, or no success."""
        response = await self._http.request(method, path, **options)
        with suppress(ValueError, RecursionError):
            if not response.is_success or fits(response.json(), shape):
                return response
        raise httpx.RemoteProtocolError(f"no whole answer from {response.url.path}")

    async def _patiently(self, once: Once) -> Any:
        """A gateway's JSON, whatever it takes. Raises Failed for a refusal."""
        wait_s = 1
        while (response := await self._try(once, wait_s)) is None:
            wait_s = min(2 * wait_s, MOST_WAIT_S)
        return response.json()

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
        self._reason = reason
        wait_s = max(1, float(retry_after)) if retry_after.isdecimal() else wait_s
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
            self._draw(f"Waiting: {self._reason}" if self._reason else self._progress())
            await asyncio.sleep(0.2)

    async def _explain(self) -> None:
        """Say what the gateway says of itself. While it works for others, nobody gives up."""
        with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
            stats = (await self._http.get("/stats", timeout=QUIET_S)).json()
            self._reason = plain(stats["summary"])
            if (others := (stats["done"], stats["failed"])) != self._others:
                self._others, self._moved_at = others, time.monotonic()

    def _draw(self, line: str) -> None:
        """Draw it over the last line; or write it now and then, where no terminal is."""
        if CLEAR:
            say(CLEAR + line[: shutil.get_terminal_size().columns - 1], end="")
        elif line != self._drawn and time.monotonic() - self._drawn_at >= LINE_S:
            self._drawn, self._drawn_at = line, time.monotonic()
            say(line)

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


def check_gateway(url: str, shown: str) -> None:
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
    raise Stop(f"{shown} {reason} {advice}")


def batch_of(out: Path, folder: Path, url: str, wanted: str) -> str:
    """The batch that is wanted, or was begun in OUT, or a new one. Kept in OUT. Raises Stop."""
    if wanted and not ULID.fullmatch(wanted):
        raise Stop(f"BATCH={wanted} is no ULID. Leave it out, or copy it from an earlier run.")
    file, state = out / STATE_FILE, {"url": url, "folder": str(folder)}
    state["batch"] = wanted or new_ulid()
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = (other for other in out.iterdir() if not other.name.startswith("."))
        if not wanted and not file.exists() and any(others):
            raise Stop(f"OUT={out} has other files. Name a new folder for the results.")
        held = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)  # and locked, until this process ends
        with suppress(ImportError):  # not everywhere
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(held, "rb+", buffering=0, closefd=False) as opened:
            if (text := opened.read()) and not wanted:
                begun: dict[str, str] = json.loads(text)
                if not fits(begun, {"url": str, "folder": str, "batch": ULID}):
                    raise ValueError(text)
                if begun != state | {"batch": begun["batch"]}:
                    whose = f"has the results of {begun['folder']} from {begun['url']}"
                    raise Stop(f"OUT={out} {whose}. Name another, or the BATCH to go on with.")
                return begun["batch"]
            opened.truncate(0)
            opened.seek(0)
            opened.write(json.dumps(state).encode())
            os.fsync(held)
            return state["batch"]
    except BlockingIOError as error:
        raise Stop(f"OUT={out}: another run is at it. Wait until it has ended.") from error
    except ValueError as error:
        raise Stop(f"{file} is damaged. Name the BATCH to go on with, or a new OUT.") from error
    except OSError as error:
        raise Stop(f"OUT={out}: {error.strerror}. Name a folder to write to.") from error


def report(out: str, photos: list[Photo], batch: str, url: str, shown: str) -> bool:
    """Say what is back, what is not, and what to do. Returns whether all is back."""
    failed = [photo for photo in photos if photo.problem]
    back = sum(photo.is_back for photo in photos)
    left = len(photos) - back - len(failed)
    parts = [f"{back:,} back in {out}", f"{len(failed):,} failed"]
    say(", ".join(parts + [f"{left:,} not yet back"] * bool(left)) + (":" if failed else "."))
    for photo in failed:
        say(f"  {plain(photo.path)}: {photo.problem}")
    if failed:
        say("Mend them, then run this again. What the gateway has taken may be retried as it is:")
        words = ["-u", user] if (user := httpx.URL(url).username) else []
        words += ["-X", "POST", f"{shown}/media/retry?batch={batch}"]
        say(f"  curl {shlex.join(words)}")
    if left:
        say("Run this again to go on.")
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
    shown = re.sub("//.*@", "//", url)  # without its password
    try:
        folder, out = folders_of(args)
        check_gateway(url, shown)
        photos += photos_in(folder, out)
        if not photos:
            raise Stop(f"FOLDER={folder} has no files. Name a folder of images.")
        batch = batch_of(out, folder, shown, args.batch)
        say(f"{len(photos):,} files to {shown}, batch {batch}.")
        say("Run this again after an interruption: it goes on.")
        asyncio.run(Transfer(url, out, batch, photos).run())
    except KeyboardInterrupt:
        say("\nInterrupted.")
        status = 130
    except (Stop, Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2 if isinstance(error, Stop) else 1
    is_back = not batch or report(args.out, photos, batch, url, shown)
    return status or int(not is_back)


if __name__ == "__main__":
    sys.exit(main())
