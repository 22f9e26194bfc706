"""Pixels are decoded in decoder processes, and whatever happens to one stays there."""

import asyncio
import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from PIL import Image

from drawing.logo_file import normalise_logo
from errors import DecoderFailed, ImageRejected, StageError
from options import Options, OutputFormat
from runtime.decoder_processes import DecoderProcesses
from settings import Settings
from support import images
from support.services import until
from support.worker import FOLDER
from watermark import watermark_file

MOST_AT_ONCE = 4  # calls of a scenario
Result = TypeVar("Result")


def with_processes(
    scenario: Callable[[DecoderProcesses], Awaitable[Result]],
    timeout_s: float = 30,
    memory_mb: int = 1024,
) -> Result:
    async def opened() -> Result:
        return await scenario(DecoderProcesses(2, timeout_s, memory_mb, Path(reports)))

    with TemporaryDirectory() as reports:
        result = asyncio.run(opened())
        assert len(list(Path(reports).iterdir())) <= MOST_AT_ONCE, "their files are used again"
    return result


def still_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("death", "code", "said"),
    [
        ((ctypes.string_at, 0), "decoder_crashed", "Segmentation fault"),
        ((os.abort,), "decoder_crashed", "Aborted"),
        ((signal.raise_signal, signal.SIGKILL), "decoder_killed", "was killed"),
    ],
    ids=["segfault", "abort", "kill -9"],
)
def test_a_process_that_dies_fails_that_call_alone(
    death: tuple[Any, ...], code: str, said: str
) -> None:
    async def scenario(processes: DecoderProcesses) -> tuple[StageError, int]:
        with pytest.raises(StageError) as raised:
            await processes.run(*death)
        return raised.value, await processes.run(abs, -1)

    raised, one = with_processes(scenario)
    assert (raised.code, one) == (code, 1)
    assert said in raised.detail


def test_processes_that_were_killed_while_they_were_idle_cost_no_image_an_attempt() -> None:
    async def scenario(processes: DecoderProcesses) -> int:
        others = set(children())
        await processes.warm_up(Image.init)
        for pid in set(children()) - others:
            os.kill(pid, signal.SIGKILL)
        return int(await processes.run(abs, -1))

    assert with_processes(scenario) == 1


def test_a_call_beside_one_that_crashes_is_not_disturbed() -> None:
    async def scenario(processes: DecoderProcesses) -> tuple[object, ...]:
        calls = (processes.run(sum, range(10**6)), processes.run(os.abort), processes.run(abs, -1))
        return await asyncio.gather(*calls, return_exceptions=True)

    total, crash, one = with_processes(scenario)
    assert (total, one) == (sum(range(10**6)), 1)
    assert isinstance(crash, StageError)
    assert crash.code == "decoder_crashed"


def test_an_idle_process_that_is_killed_is_replaced() -> None:
    async def scenario(processes: DecoderProcesses) -> tuple[int, int]:
        first = await processes.run(os.getpid)
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: not still_there(first))
        return first, await processes.run(os.getpid)

    first, second = with_processes(scenario)
    assert first != second


def test_a_process_is_used_again() -> None:
    async def scenario(processes: DecoderProcesses) -> set[int]:
        return {await processes.run(os.getpid) for _ in range(5)}

    assert len(with_processes(scenario)) == 1


def test_a_call_that_takes_too_long_is_ended_with_its_process() -> None:
    async def scenario(processes: DecoderProcesses) -> tuple[str, int, int]:
        pid = await processes.run(os.getpid)
        processes._timeout_s = 0.2
        with pytest.raises(DecoderFailed) as raised:
            await processes.run(signal.pause)
        processes._timeout_s = 30
        await asyncio.to_thread(until, lambda: not still_there(pid))
        return raised.value.code, pid, await processes.run(os.getpid)

    code, first, second = with_processes(scenario)
    assert code == "time_limit"
    assert first != second


def test_a_stopped_process_is_ended_as_well() -> None:
    async def scenario(processes: DecoderProcesses) -> str:
        await processes.warm_up(Image.init)
        processes._timeout_s = 0.2
        with pytest.raises(DecoderFailed) as raised:
            await processes.run(signal.raise_signal, signal.SIGSTOP)
        return raised.value.code

    assert with_processes(scenario) == "time_limit"


def test_memory_beyond_the_limit_is_refused() -> None:
    async def scenario(processes: DecoderProcesses) -> tuple[str, str]:
        with pytest.raises(ImageRejected) as raised:
            await processes.run(bytes, 512 * 2**20)
        assert len(await processes.run(bytes, 2**20)) == 2**20
        return raised.value.code, raised.value.detail

    code, detail = with_processes(scenario, memory_mb=300)
    assert code == "memory_limit"
    assert "300 MB" in detail


def test_what_earlier_images_left_in_a_process_is_no_fault_of_the_next() -> None:
    async def scenario(processes: DecoderProcesses) -> bool:
        await processes.run(exec, "import sys; sys.left = bytearray(300_000_000)")
        pid = await processes.run(os.getpid)
        await processes.run(exec, "bytearray(300_000_000)")
        return pid == await processes.run(os.getpid)

    assert not with_processes(scenario, memory_mb=600), "the same process lacks the memory for it"


def test_a_process_gives_back_what_a_large_image_took() -> None:
    # In pieces that malloc keeps; the last stays allocated, with the free pages in front of it.
    leave = "import sys; sys.left = [bytes([1]) * 100_000 for _ in range(5000)][-1]"

    async def scenario(processes: DecoderProcesses) -> int:
        await processes.run(exec, leave)
        statm = await processes.run(Path.read_text, Path("/proc/self/statm"))
        return int(statm.split()[1])

    assert with_processes(scenario) * resource.getpagesize() < 200 * 2**20


def test_a_refusal_arrives_with_its_code_and_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")

    async def scenario(processes: DecoderProcesses) -> ImageRejected:
        arguments = (tmp_path / "empty", tmp_path / "logo", tmp_path / "target", Options())
        with pytest.raises(ImageRejected) as raised:
            await processes.run(watermark_file, *arguments)
        return raised.value

    raised = with_processes(scenario)
    assert (raised.code, raised.detail) == (
        "unreadable_image",
        "No decoder here reads it: it is no image, or of a rare kind; convert it to PNG.",
    )


def test_a_fault_of_the_disk_arrives_as_it_is(tmp_path: Path) -> None:
    async def scenario(processes: DecoderProcesses) -> None:
        await processes.run(os.stat, tmp_path / "missing")

    with pytest.raises(FileNotFoundError):
        with_processes(scenario)


def test_a_decoder_that_complains_much_does_not_hang() -> None:
    async def scenario(processes: DecoderProcesses) -> int:
        assert sys.__stderr__ is not None
        return await processes.run(os.write, sys.__stderr__.fileno(), bytes(2**20))

    assert with_processes(scenario) == 2**20


def test_warming_up_starts_all_processes() -> None:
    others = set(children())  # of the stack that other tests use

    async def scenario(processes: DecoderProcesses) -> tuple[set[int], set[int]]:
        await processes.warm_up(Image.init)
        before = set(children()) - others
        await asyncio.gather(*(processes.run(os.getpid) for _ in range(2)))
        return before, set(children()) - others

    before, after = with_processes(scenario)
    assert len(before) == 2
    assert before == after


def children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


BIG = (10_000, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image_format", "options"),
    [("JPEG", {}), ("PNG", {"compress_level": 1}), ("JPEG", {"progressive": True})],
    ids=["JPEG", "PNG", "progressive JPEG"],
)
def test_100_megapixels_fit_into_the_default_memory(
    tmp_path: Path, image_format: str, options: dict[str, Any]
) -> None:
    memory_mb = Settings.model_fields["watermark_memory_mb"].default
    content = images.encode(Image.new("RGB", BIG), image_format, **options)
    assert mark_big(tmp_path, content, memory_mb)


def test_a_20_megapixel_avif_of_full_chroma_fits_into_the_default_memory(tmp_path: Path) -> None:
    memory_mb = Settings.model_fields["watermark_memory_mb"].default
    content = images.encode(Image.new("RGB", (5248, 3936)), "AVIF", subsampling="4:4:4", speed=10)
    assert mark_big(tmp_path, content, memory_mb)


def test_what_does_not_fit_into_memory_is_refused_and_does_not_crash(tmp_path: Path) -> None:
    content = images.encode(Image.new("RGB", (6000, 4000)), "JPEG", progressive=True)
    with pytest.raises(ImageRejected) as raised:
        mark_big(tmp_path, content, 150)
    assert raised.value.code == "memory_limit"


@pytest.mark.parametrize(("image_format", "made"), [("AVIF", "keep"), ("JPEG", "avif")])
def test_an_avif_that_the_encoder_has_no_memory_for_is_refused_and_does_not_crash(
    tmp_path: Path, image_format: str, made: str
) -> None:
    """aom crashes where the first of its memory is to be had, but not the rest."""
    image = Image.new("RGB", (4000, 3000))
    content = images.encode(image, image_format, subsampling="4:4:4", speed=10)
    with pytest.raises(ImageRejected) as raised:
        mark_big(tmp_path, content, 300, output_format=OutputFormat(made))
    assert raised.value.code == "memory_limit"


def mark_big(folder: Path, content: bytes, memory_mb: int, **settings: Any) -> int:
    (folder / "big").write_bytes(content)
    normalise_logo(FOLDER / "bundled_logo.png", folder / "logo.png")

    async def scenario(processes: DecoderProcesses) -> int:
        arguments = (folder / "big", folder / "logo.png", folder / "marked", Options(**settings))
        file, _ = await processes.run(watermark_file, *arguments)
        return file["size"]

    return with_processes(scenario, timeout_s=120, memory_mb=memory_mb)


def status_of(pid: str = "self") -> str:
    return Path(f"/proc/{pid}/status").read_text() + Path(f"/proc/{pid}/limits").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process may do")
def test_a_process_gains_no_rights_and_has_limits() -> None:
    async def scenario(processes: DecoderProcesses) -> str:
        return await processes.run(status_of)

    said = with_processes(scenario, memory_mb=700)
    assert "NoNewPrivs:\t1" in said
    for limit, most in (
        ("Max address space", 700 * 2**20),
        ("Max file size", 700 * 2**20),
        ("Max open files", 64),
        ("Max core file size", 0),
    ):
        assert re.search(rf"{limit}\s+{most}\s+{most}", said), limit


def test_a_file_larger_than_a_process_may_write_is_the_images_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logo, source = tmp_path / "logo.png", tmp_path / "photo.png"
    normalise_logo(FOLDER / "bundled_logo.png", logo)
    source.write_bytes(images.png(1, (400, 300)))
    narrow = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({2**14}, {2**14}))"
    code = f"{narrow}\nimport watermark\nwatermark.watermark_file(*arguments)"

    async def scenario(processes: DecoderProcesses) -> ImageRejected:
        arguments = (source, logo, tmp_path / "watermarked.png", Options())
        with pytest.raises(ImageRejected) as raised:
            await processes.run(exec, code, {"arguments": arguments})
        return raised.value

    raised = with_processes(scenario)
    assert raised.code == "not_encodable"
    assert "more than is allowed" in raised.detail
