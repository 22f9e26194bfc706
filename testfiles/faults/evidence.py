"""What a run leaves: the files of both volumes, read once."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

STATES = ("pending", "failed", "done")
LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] WORKER: .+ \| IMAGE: (.+)")


@dataclass
class Evidence:
    """uploads/, central_storage/ and the activity log with its rotated predecessors."""

    uploads: Path
    storage: Path
    logs: list[Path]

    @cached_property
    def states(self) -> dict[str, list[str]]:
        """The folders that each media lies in; it should be one."""
        states: dict[str, list[str]] = {}
        for state in STATES:
            for folder in self.uploads.joinpath(state).iterdir():
                states.setdefault(folder.name, []).append(state)
        return states

    @cached_property
    def unfinished(self) -> set[str]:
        """Uploads that broke off; the reconciler removes them after an hour."""
        return {folder.name for folder in self.uploads.joinpath("incoming").iterdir()}

    @cached_property
    def receipts(self) -> dict[str, dict[str, Any]]:
        files = self.storage.joinpath(".receipts").glob("*.json")
        return {file.stem: record(file) for file in files}

    @cached_property
    def stored_names(self) -> set[str]:
        return {path.name for path in self.storage.iterdir() if not path.name.startswith(".")}

    @cached_property
    def left_behind(self) -> list[str]:
        """What central began, and neither ended nor removed."""
        begun = (self.storage / ".intents", self.storage / ".incoming")
        return [f"{folder.name}/{path.name}" for folder in begun for path in folder.iterdir()]

    @cached_property
    def _log(self) -> list[str]:
        return [line for log in self.logs for line in log.read_text().splitlines()]

    @cached_property
    def lines(self) -> Counter[str]:
        """How often each name stands in the log."""
        return Counter(match[1] for line in self._log if (match := LINE.fullmatch(line)))

    @cached_property
    def torn_lines(self) -> list[str]:
        return [line for line in self._log if not LINE.fullmatch(line)]

    @cached_property
    def cut_short(self) -> int:
        """Attempts that began and never ended, because of a kill."""
        records = map(record, self.uploads.glob("*/*/progress.json"))
        attempts = (attempt for progress in records for attempt in progress.get("attempts", ()))
        return sum(attempt["ended_at"] is None for attempt in attempts)

    @cached_property
    def media_by_content(self) -> dict[str, list[str]]:
        """The accepted media of each sha256."""
        media: dict[str, list[str]] = {}
        for media_id, (state, *_) in self.states.items():
            sha256 = record(self.uploads / state / media_id / "media.json").get("sha256", "")
            media.setdefault(sha256, []).append(media_id)
        return media


def record(file: Path) -> dict[str, Any]:
    """A JSON file's content; empty where it is missing or torn."""
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def sha256(file: Path) -> str:
    """Empty where there is no such file."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return ""


def picture(file: Path) -> tuple[str, tuple[int, int]]:
    """Format and size of an image that can be read to its end. Raises OSError."""
    with Image.open(file) as image:
        image.load()
        return str(image.format), image.size
