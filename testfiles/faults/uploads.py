"""What a chaos run posts, and its clients, which repeat a post as a sensible client does."""

import hashlib
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from support import images

FORMATS: dict[str, tuple[str, Callable[[int, images.Size], bytes]]] = {
    "JPEG": ("jpg", images.jpeg),
    "PNG": ("png", images.png),
    "WEBP": ("webp", partial(images.webp, lossless=False)),
    "GIF": ("gif", images.gif),
}
FORMAT_SHARES = (7, 1, 1, 1)
LARGE_SHARE = 0.2  # slow enough to be killed while at work
LARGEST_BURST = 15
AIMED_SHARE = 0.7
LEAD_S = 0.8  # an image posted so long before a fault is at work when it comes
CLIENTS = 6
ANSWER_S = 10  # the longest freezes last longer
LONGEST_WAIT_S = 5
WORTH_A_REPEAT = (408, 409, 425, 429)  # and every 5xx


@dataclass
class Upload:
    """One image of the run, and the answers to its client."""

    number: int
    due_s: float
    filename: str
    image_format: str
    size: images.Size
    seed: int
    key: str | None  # its Idempotency-Key
    posted_twice: bool  # although acknowledged, as by a client that forgot
    sha256: str = ""
    media_ids: list[str] = field(default_factory=list)
    posts: int = 0
    refusal: str = ""

    def content(self) -> bytes:
        content = FORMATS[self.image_format][1](self.seed, self.size)
        self.sha256 = hashlib.sha256(content).hexdigest()
        return content


def planned_uploads(
    seed: int, count: int, seconds: float, faults_at_s: Sequence[float] = ()
) -> list[Upload]:
    """Uploads in bursts, most of them just before a fault."""
    rng = random.Random(f"uploads {seed}")
    due: list[float] = []
    while len(due) < count:
        at_s = rng.uniform(0, 0.9 * seconds)
        if faults_at_s and rng.random() < AIMED_SHARE:
            at_s = max(0, rng.choice(faults_at_s) - rng.uniform(0, LEAD_S))
        due += [at_s] * rng.randint(1, LARGEST_BURST)
    return [_upload(rng, seed, number, at_s) for number, at_s in enumerate(sorted(due[:count]))]


def _upload(rng: random.Random, seed: int, number: int, due_s: float) -> Upload:
    (image_format,) = rng.choices([*FORMATS], FORMAT_SHARES)
    extension = FORMATS[image_format][0]
    shared, keyed = rng.random() < 0.3, number % 2 == 0
    return Upload(
        number=number,
        due_s=due_s,
        filename=f"shared.{extension}" if shared else f"chaos-{number}.{extension}",
        image_format=image_format,
        size=_size(rng),
        seed=seed * 100_000 + number,
        key=f"chaos-{seed}-{number}" if keyed else None,
        posted_twice=keyed and rng.random() < 0.25,
    )


def _size(rng: random.Random) -> images.Size:
    if rng.random() < LARGE_SHARE:
        return rng.randint(1700, 2800), rng.randint(1200, 2100)
    return rng.randint(160, 800), rng.randint(120, 600)


class Clients:
    """A few threads that post the uploads when they are due, each until it is acknowledged."""

    def __init__(self, url: str, uploads: list[Upload]) -> None:
        self._url = url
        self._waiting: queue.SimpleQueue[Upload] = queue.SimpleQueue()
        for upload in uploads:
            self._waiting.put(upload)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._post_all, daemon=True) for _ in range(CLIENTS)
        ]

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        self._started_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Post every upload that is left once more, without waiting."""
        self._over.set()

    def _post_all(self) -> None:
        with httpx.Client(timeout=ANSWER_S, trust_env=False) as http:
            while True:
                try:
                    upload = self._waiting.get_nowait()
                except queue.Empty:
                    return
                content = upload.content()
                self._over.wait(max(0, self._started_at + upload.due_s - time.monotonic()))
                self._post(http, upload, content)

    def _post(self, http: httpx.Client, upload: Upload, content: bytes) -> None:
        for _ in range(2 if upload.posted_twice else 1):
            while (wait_s := post(http, self._url, upload, content)) and not self._over.is_set():
                self._over.wait(wait_s)


def post(http: httpx.Client, url: str, upload: Upload, content: bytes) -> float:
    """Post it. Returns the seconds after which to repeat it; 0 when acknowledged or refused."""
    upload.posts += 1
    headers = {"Idempotency-Key": upload.key} if upload.key else {}
    try:
        files = {"file": (upload.filename, content)}
        answer = http.post(f"{url}/media", files=files, headers=headers)
    except httpx.TransportError:
        return random.uniform(0.2, 1)
    if answer.is_success:
        upload.media_ids.append(answer.json()["media_id"])
    elif answer.status_code in WORTH_A_REPEAT or answer.is_server_error:
        return min(float(answer.headers.get("Retry-After", 0.5)), LONGEST_WAIT_S)
    else:
        upload.refusal = f"{answer.status_code}: {answer.text}"
    return 0
