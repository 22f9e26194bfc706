"""The cache of previews: what is beyond its space goes, the oldest first, and nothing else."""

import os
import time
from pathlib import Path

import pytest
from ulid import ULID

from recovery import preview_sweep
from shared.redis.previews import Kind, Preview, Size
from shared.spool import Spool
from support.services import until
from support.worker import add_media, running_redis, running_worker

ONE, MOST = 1000, 10_000  # bytes of a preview, and of all


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(preview_sweep, "_MOST_BYTES", MOST)
    (tmp_path / ".previews").mkdir()
    return tmp_path


def add(uploads: Path, age_s: float, media_id: str | None = None, of: Kind = Kind.ORIGINAL) -> Path:
    media_id = media_id or add_media(uploads, b"a photo", state="done")
    path = Preview(media_id, of, Size.SMALL).path(uploads)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(ONE))
    made_at = time.time() - age_s
    os.utime(path, (made_at, made_at))
    return path


def sweep(uploads: Path) -> None:
    preview_sweep.sweep(Spool(uploads))


def test_the_oldest_go_until_the_others_fit(uploads: Path) -> None:
    paths = [add(uploads, age_s) for age_s in (5, 1, 9, 3, 12, 11, 2, 7, 6, 10, 4, 8)]
    kept = [add(uploads, 0, path.parent.name, Kind.WATERMARKED) for path in paths[:2]]
    sweep(uploads)
    gone = [path for path in paths if not path.exists()]
    assert sorted(map(paths.index, gone)) == [2, 4, 5, 9]  # those of 9, 12, 11 and 10 s
    assert all(path.exists() for path in kept)
    assert not any(path.parent.exists() for path in gone)


def test_what_fits_stays(uploads: Path) -> None:
    paths = [add(uploads, 1e6 + number) for number in range(10)]
    sweep(uploads)
    assert all(path.exists() for path in paths)


def test_previews_of_media_that_are_gone_go(uploads: Path) -> None:
    known, gone = add(uploads, 1), add(uploads, 1, str(ULID()))
    sweep(uploads)
    assert known.exists()
    assert not gone.parent.exists()


def test_what_a_dead_worker_began_goes_after_an_hour(uploads: Path) -> None:
    parent = add(uploads, 1).parent
    folders = [parent / f".making-{name}" for name in ("old", "new")]
    for folder, age_s in zip(folders, (3700, 60), strict=True):
        folder.mkdir()
        (folder / "source").write_bytes(b"a photo")
        os.utime(folder, (time.time() - age_s,) * 2)
    sweep(uploads)
    assert [folder.exists() for folder in folders] == [False, True]


def test_strangers_files_stay_and_links_lead_nowhere(uploads: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "original-320.webp").write_bytes(bytes(2 * MOST))
    folder = uploads / ".previews"
    path = add(uploads, 5)
    strangers = [folder / "notes.txt", path.parent / "notes.txt", path.parent / "original-999.webp"]
    for stranger in strangers:
        stranger.write_bytes(bytes(2 * MOST))
    links = [folder / str(ULID()), path.parent / ".making-x", path.parent / "watermarked-320.webp"]
    known = add_media(uploads, b"a photo", state="done")
    links.append(folder / known)
    for link in links:
        link.symlink_to(outside if link != links[2] else outside / "original-320.webp")
        os.utime(link, (0, 0), follow_symlinks=False)
    sweep(uploads)
    assert path.exists()
    assert all(stranger.exists() for stranger in strangers)
    assert all(link.is_symlink() for link in links)
    assert [*outside.iterdir()] == [outside / "original-320.webp"]


def test_a_cache_that_is_a_link_is_not_swept(uploads: Path, tmp_path: Path) -> None:
    path = add(uploads, 1, str(ULID()))
    (uploads / ".previews").rename(tmp_path / "elsewhere")
    (uploads / ".previews").symlink_to(tmp_path / "elsewhere")
    sweep(uploads)
    assert path.exists()


def test_it_is_swept_every_five_minutes_whoever_does_it(uploads: Path) -> None:
    sweep(uploads)
    gone = add(uploads, 1, str(ULID()))
    sweep(uploads)
    assert gone.exists()
    swept = uploads / ".previews" / ".swept"
    os.utime(swept, (time.time() - 301,) * 2)
    sweep(uploads)
    assert not gone.exists()


def test_one_that_is_marked_as_swept_in_the_future_is_swept(uploads: Path) -> None:
    swept = uploads / ".previews" / ".swept"
    swept.symlink_to("nowhere")
    gone = add(uploads, 1, str(ULID()))
    os.utime(swept, (time.time() + 1e6,) * 2, follow_symlinks=False)
    sweep(uploads)
    assert not gone.exists()
    assert swept.is_file()
    assert not swept.is_symlink()


def test_a_worker_sweeps(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    (uploads / ".previews").mkdir(parents=True)
    gone = add(uploads, 1, str(ULID()))
    with (
        running_redis(tmp_path) as (_, redis),
        running_worker(uploads, redis, "http://127.0.0.1:9"),
    ):
        until(lambda: not gone.parent.exists())


def test_a_cache_that_was_never_made_is_no_fault(tmp_path: Path) -> None:
    sweep(tmp_path)
    assert [*tmp_path.iterdir()] == []
