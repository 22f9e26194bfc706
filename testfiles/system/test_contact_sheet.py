"""make samples: a page with every format and option, before and after."""

import re
from pathlib import Path

import pytest
from PIL import Image

import contact_sheet
from options import Position


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    (folder / "index.html").write_text(contact_sheet._TITLE)
    (folder / "stale.png").touch()
    return contact_sheet.write(folder)


@pytest.mark.slow
def test_every_image_of_the_page_is_there_and_can_be_shown(page: Path) -> None:
    shown = re.findall(r'<img src="([^"]+)" alt="(before|after)"', page.read_text())
    count = sum(len(samples) for _, samples in contact_sheet.sections())
    assert [label for _, label in shown] == ["before", "after"] * count
    for name, _ in shown:
        with Image.open(page.with_name(name)) as image:
            assert image.format in contact_sheet.SHOWN_BY_BROWSERS
            image.load()


@pytest.mark.slow
def test_an_earlier_contact_sheet_is_gone(page: Path) -> None:
    assert not page.with_name("stale.png").exists()


def test_it_shows_each_format_that_is_taken_and_each_option(page: Path) -> None:
    text = page.read_text()
    for position in Position:
        assert f"LOGO_POSITION={position}<" in text
    linked = set(re.findall(r'<a href="watermarked_\d+\.(\w+)"', text))
    assert linked == {"jpg", "png", "webp", "gif", "tiff", "bmp", "jp2", "avif", "heic"}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "holiday.jpg"
    mine.touch()
    with pytest.raises(SystemExit, match="name another folder"):
        contact_sheet.write(tmp_path)
    assert mine.exists()
