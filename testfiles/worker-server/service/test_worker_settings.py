"""What the environment may say about the logo and the output."""

import pytest
from pydantic import ValidationError

from formats import registry
from options import Metadata, Options, OutputFormat, Padding, Position
from runtime import container_limits
from settings import Settings
from shared import environment


def given(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Options:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings().options


@pytest.mark.parametrize(
    ("given_so", "logo"),
    [
        ({}, None),
        ({"GOOGLE_LOGO": "https://host/l.png"}, "https://host/l.png"),
        ({"GOOGLE_LOGO": "https://host/l.png", "LOGO_FILE": "/logo"}, "/logo"),
        ({"GOOGLE_LOGO": "https://host/l.png", "LOGO_FILE": ""}, "https://host/l.png"),
    ],
)
def test_the_logo_is_the_file_or_else_what_the_other_variable_names(
    monkeypatch: pytest.MonkeyPatch, given_so: dict[str, str], logo: str | None
) -> None:
    given(monkeypatch, **given_so)
    assert Settings().logo == logo


def test_without_a_word_it_is_a_fifth_top_right_in_the_format_it_came_in() -> None:
    assert Settings().options == Options()


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
    assert chosen == Options(
        position=Position.BOTTOM_LEFT,
        scale=0.5,
        padding=Padding(3, percent=True),
        opacity=0.25,
        min_image=200,
        output_format=OutputFormat.WEBP,
        output_quality=80,
        metadata=Metadata.NOGPS,
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
def test_a_decoder_process_takes_no_more_than_its_container_has(
    monkeypatch: pytest.MonkeyPatch, container_mb: int, memory_mb: int, processes: int
) -> None:
    monkeypatch.setattr(container_limits, "memory_bytes", lambda: container_mb * 2**20)
    monkeypatch.setattr(container_limits, "usable_cpus", lambda: 4)
    assert (Settings().memory_mb, Settings().processes) == (memory_mb, processes)


@pytest.mark.parametrize(
    ("text", "pixels"), [("0", 0), ("12", 12), ("12px", 12), ("2.5 %", 25), ("100%", 1000)]
)
def test_padding_is_in_pixels_or_in_percent(
    monkeypatch: pytest.MonkeyPatch, text: str, pixels: int
) -> None:
    assert given(monkeypatch, LOGO_PADDING=text).padding.pixels(1000) == pixels


@pytest.mark.parametrize(
    ("text", "share"), [("0.2", 0.2), ("20%", 0.2), ("2.5 %", 0.025), ("1", 1), ("100%", 1)]
)
def test_scale_and_opacity_are_shares_or_in_percent(
    monkeypatch: pytest.MonkeyPatch, text: str, share: float
) -> None:
    options = given(monkeypatch, LOGO_SCALE=text, LOGO_OPACITY=text)
    assert (options.scale, options.opacity) == (share, share)


@pytest.mark.parametrize("text", ["20", "0", "nan", "much"])
def test_what_is_no_share_is_told_how_to_write_one(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("LOGO_SCALE", text)
    with pytest.raises(SystemExit, match=f"^LOGO_SCALE={text}: give a share such as 0.2, or 20%"):
        environment.load(Settings)


@pytest.mark.parametrize(("text", "quality"), [(None, None), ("89", 89), ("90", 90), ("91", 91)])
def test_a_quality_is_unset_or_the_one_that_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str | None, quality: int | None
) -> None:
    said = {} if text is None else {"OUTPUT_QUALITY": text}
    assert given(monkeypatch, **said).output_quality == quality


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGO_POSITION", "somewhere"),
        ("LOGO_SCALE", "0"),
        ("LOGO_SCALE", "20"),
        ("LOGO_SCALE", "%"),
        ("LOGO_SCALE", "0%"),
        ("LOGO_SCALE", "101%"),
        ("LOGO_OPACITY", "half"),
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
    wanted = OutputFormat(output_format)
    assert registry.output_name(filename, Options(output_format=wanted)) == name
