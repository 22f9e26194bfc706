"""The length that is told before a ZIP is the length that it has, whatever its size."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile

import pytest

from batches import zip_writer
from batches.zip_writer import ZipEntry, ZipWriter

AT = datetime(2026, 1, 15, 14, 30, 44, tzinfo=UTC)
GIB = 1024**3
NAMES = ["a.jpg", "folder/with space/b.jpg", "日本/🎉.jpg", "x" * 255, "é" * 127]


def written(files: dict[str, bytes], at: datetime = AT) -> bytes:
    writer, made = ZipWriter(), bytearray()
    for name, content in files.items():
        with writer.file(ZipEntry(name, len(content), at)) as file:
            for start in range(0, len(content), 1000):
                file.write(content[start : start + 1000])
                made += writer.taken()
    writer.close()
    return bytes(made + writer.taken())


def length(files: dict[str, bytes]) -> int:
    return zip_writer.length([ZipEntry(name, len(files[name]), AT) for name in files])


@pytest.mark.parametrize("number", range(len(NAMES) + 1))
def test_it_has_the_length_that_was_told(number: int) -> None:
    files = {name: b"x" * (1500 * n) for n, name in enumerate(NAMES[:number])}
    made = written(files)
    assert len(made) == length(files)
    with ZipFile(BytesIO(made)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files
        assert all(info.compress_type == zipfile.ZIP_STORED for info in opened.infolist())
        assert all(info.external_attr >> 16 == 0o100644 for info in opened.infolist())


@pytest.mark.parametrize("limit", ["ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 1500, 3000, 4700, 5000, 9000])
def test_so_it_is_where_zip64_begins(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """zipfile's own limits are moved, so that little is much."""
    monkeypatch.setattr(zipfile, limit, most)
    files = {name: b"x" * (1000 * n) for n, name in enumerate(NAMES)}
    assert len(written(files)) == length(files)


def test_so_it_is_with_more_files_than_a_plain_zip_can_have() -> None:
    files = {f"{n}.jpg": b"x" for n in range(66_000)}
    made = written(files)
    assert len(made) == length(files)
    with ZipFile(BytesIO(made)) as opened:
        assert opened.namelist() == list(files)


@pytest.mark.slow
def test_so_it_is_beyond_4_gib(tmp_path: Path) -> None:
    """Its zeros take no space on the disk. Other programs read what lies behind them."""
    entries = [ZipEntry("large", 4 * GIB + 1, AT), ZipEntry("small", 5, AT)]
    entries += [ZipEntry(f"middle {n}", GIB, AT) for n in range(2)] + [ZipEntry("last", 4, AT)]
    texts, writer = {"small": b"small", "last": b"last"}, ZipWriter()
    with (tmp_path / "large.zip").open("wb") as made:
        for entry in entries:
            with writer.file(entry) as file:
                for piece in [texts[entry.name]] if entry.name in texts else zeros(entry.size):
                    file.write(piece)
                    add(made, writer.taken())
        writer.close()
        made.write(writer.taken())
    assert (tmp_path / "large.zip").stat().st_size == zip_writer.length(entries)
    with ZipFile(tmp_path / "large.zip") as opened:
        assert [(info.filename, info.file_size) for info in opened.infolist()] == [
            (entry.name, entry.size) for entry in entries
        ]
        assert {name: opened.read(name) for name in texts} == texts
    for command in (["unzip", "-p"], ["bsdtar", "-xOf"]):
        if shutil.which(command[0]):
            read = subprocess.run(
                [*command, "large.zip", "last"], cwd=tmp_path, capture_output=True
            )
            assert read.stdout == b"last", read.stderr


def zeros(size: int) -> Iterator[bytes]:
    piece = bytes(64 * 1024 * 1024)
    for _ in range(size // len(piece)):
        yield piece
    yield bytes(size % len(piece))


def add(made: BinaryIO, content: bytes) -> None:
    """Zeros become a hole."""
    if any(content[:100]) or any(content[-100:]):
        made.write(content)
    else:
        made.seek(len(content), os.SEEK_CUR)


def test_times_are_local_and_such_as_a_zip_can_tell() -> None:
    for at, told in (
        (AT, AT.astimezone().timetuple()[:6]),
        (datetime(1970, 1, 2, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(5000, 1, 2, tzinfo=UTC), (2107, 12, 31, 23, 59, 58)),
    ):
        with ZipFile(BytesIO(written({"a": b"x"}, at))) as opened:
            assert opened.infolist()[0].date_time == told
