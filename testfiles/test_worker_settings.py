"""What the environment may say about the logo and the output."""

from typing import Any

import pytest
from pydantic import ValidationError

from worker_rig import worker_module

Settings = worker_module("settings").Settings
formats = worker_module("formats")
options = worker_module("options")


def given(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Any:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings().options


def test_without_a_word_it_is_a_fifth_top_right_in_the_format_it_came_in() -> None:
    assert Settings().options == options.Options()


def test_each_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = given(
        monkeypatch,
        LOGO_POSITION="bottom-left",
        LOGO_SCALE="0.5",
        LOGO_PADDING="3%",
        LOGO_OPACITY="0.25",
        LOGO_MIN_IMAGE="200",
        OUTPUT_FORMAT="webp",
        OUTPUT_QUALITY="80",
        METADATA="nogps",
        MAX_MEGAPIXELS="0.5",
        MAX_TOTAL_MEGAPIXELS="2",
    )
    assert chosen == options.Options(
        position="bottom-left",
        scale=0.5,
        padding=options.Padding(3, percent=True),
        opacity=0.25,
        min_image=200,
        output_format="webp",
        output_quality=80,
        metadata="nogps",
        max_pixels=500_000,
        max_total_pixels=2_000_000,
    )


@pytest.mark.parametrize("text", ["jpg", "JPEG", "jpeg"])
def test_jpeg_may_be_written_as_people_write_it(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert given(monkeypatch, OUTPUT_FORMAT=text).output_format == "jpeg"


@pytest.mark.parametrize(
    ("container_mb", "memory_mb", "processes"),
    [(100_000, 1024, 4), (2500, 1024, 2), (1024, 896, 1), (512, 384, 1), (128, 256, 1)],
)
def test_a_child_takes_no_more_than_its_container_has(
    monkeypatch: pytest.MonkeyPatch, container_mb: int, memory_mb: int, processes: int
) -> None:
    machine = worker_module("machine")
    monkeypatch.setattr(machine, "memory_bytes", lambda: container_mb * 2**20)
    monkeypatch.setattr(machine, "usable_cpus", lambda: 4)
    assert (Settings().memory_mb, Settings().processes) == (memory_mb, processes)


@pytest.mark.parametrize(
    ("text", "pixels"), [("0", 0), ("12", 12), ("12px", 12), ("2.5 %", 25), ("100%", 1000)]
)
def test_padding_is_in_pixels_or_in_percent(
    monkeypatch: pytest.MonkeyPatch, text: str, pixels: int
) -> None:
    assert given(monkeypatch, LOGO_PADDING=text).padding.pixels(1000) == pixels


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGO_POSITION", "somewhere"),
        ("LOGO_SCALE", "0"),
        ("LOGO_SCALE", "20"),
        ("LOGO_SCALE", "nan"),
        ("LOGO_PADDING", "-1"),
        ("LOGO_PADDING", "101%"),
        ("LOGO_PADDING", "1em"),
        ("LOGO_OPACITY", "0"),
        ("LOGO_OPACITY", "2"),
        ("LOGO_MIN_IMAGE", "-5"),
        ("OUTPUT_FORMAT", "gif"),
        ("OUTPUT_QUALITY", "0"),
        ("OUTPUT_QUALITY", "101"),
        ("METADATA", "some"),
    ],
)
def test_nonsense_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("filename", "output_format", "name"),
    [
        ("photo.jpg", "keep", "photo.jpg"),
        ("photo.jpg", "webp", "photo.webp"),
        ("photo.JPEG", "jpeg", "photo.JPEG"),
        ("photo.png", "jpeg", "photo.jpg"),
        ("a.b.tiff", "avif", "a.b.avif"),
        ("photo", "png", "photo.png"),
        ("x" * 210 + ".jpg", "webp", "x" * 210 + ".webp"),
    ],
)
def test_the_extension_follows_the_format_that_is_asked_for(
    filename: str, output_format: str, name: str
) -> None:
    wanted = options.OutputFormat(output_format)
    assert formats.output_name(filename, options.Options(output_format=wanted)) == name
