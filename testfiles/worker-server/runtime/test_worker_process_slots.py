"""Turns at the decoder processes: who is next, how many at a time, and what a cancellation does."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.process_slots import ProcessSlots

_LOOPS = 20  # of the event loop: more than any hand-over takes


class Field:
    """Tasks that take turns. log has who began, in order."""

    def __init__(self, processes: int) -> None:
        self.slots = ProcessSlots(processes)
        self.log: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, *names: str) -> None:
        """Names of previews begin with a p. Returns once each works or waits."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._turn(name))
        await _settle()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await _settle()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await _settle()
        assert self._tasks[name].cancelled()

    def cancel_at_once(self, name: str) -> None:
        self._tasks[name].cancel()

    def set_end(self, name: str) -> None:
        self._ends[name].set()

    async def _turn(self, name: str) -> None:
        async with self.slots.preview() if name[0] == "p" else self.slots.image():
            self.log.append(name)
            await self._ends[name].wait()


async def _settle() -> None:
    for _ in range(_LOOPS):
        await asyncio.sleep(0)


def play(processes: int, scenario: Callable[[Field], Awaitable[None]]) -> list[str]:
    async def played() -> list[str]:
        field = Field(processes)
        await scenario(field)
        return field.log

    return asyncio.run(played())


def test_images_take_turns_in_their_order() -> None:
    async def scenario(field: Field) -> None:
        await field.add("a", "b", "c", "d")
        assert field.log == ["a", "b"]
        await field.end("b", "a", "c")

    assert play(2, scenario) == ["a", "b", "c", "d"]


def test_a_preview_gets_the_next_process_that_becomes_free() -> None:
    async def scenario(field: Field) -> None:
        await field.add("a", "b", "c", "d", "p")
        await field.end("a", "b")

    assert play(2, scenario) == ["a", "b", "p", "c"]


def test_previews_never_hold_more_than_one_process() -> None:
    async def scenario(field: Field) -> None:
        await field.add("p1", "p2", "a", "b")
        assert field.log == ["p1", "a", "b"]
        await field.end("a")
        assert field.log == ["p1", "a", "b"]
        await field.end("p1")

    assert play(3, scenario) == ["p1", "a", "b", "p2"]


def test_with_one_process_previews_get_every_fourth_turn_while_images_wait() -> None:
    async def scenario(field: Field) -> None:
        names = [f"i{number}" for number in range(9)]
        await field.add(*names, "p1", "p2", "p3", "p4")
        for _ in range(12):
            await field.end(field.log[-1])

    log = play(1, scenario)
    assert "".join(name[0] for name in log) == "ipiiipiiipiip"


def test_with_one_process_previews_go_on_while_no_image_waits() -> None:
    async def scenario(field: Field) -> None:
        await field.add("p1", "p2", "p3")
        await field.end("p1", "p2", "p3")
        await field.add("i")

    assert play(1, scenario) == ["p1", "p2", "p3", "i"]


def test_who_is_cancelled_while_waiting_takes_no_turn() -> None:
    async def scenario(field: Field) -> None:
        await field.add("a", "b", "p", "c")
        await field.cancel("b")
        await field.cancel("p")
        await field.end("a", "c")
        await field.add("d")

    assert play(1, scenario) == ["a", "c", "d"]


def test_who_is_cancelled_at_work_passes_its_turn_on() -> None:
    async def scenario(field: Field) -> None:
        await field.add("a", "b")
        await field.cancel("a")

    assert play(1, scenario) == ["a", "b"]


def test_who_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    for step in range(_LOOPS):

        async def scenario(field: Field, step: int = step) -> None:
            await field.add("a", "b", "p", "c")
            field.set_end("a")
            for _ in range(step):
                await asyncio.sleep(0)
            field.cancel_at_once("p")
            field.cancel_at_once("b")
            await _settle()
            await field.end("c")
            await field.add("d")

        log = play(1, scenario)
        assert (log[0], log[-2:]) == ("a", ["c", "d"]), step


def test_a_turn_that_fails_is_over() -> None:
    async def scenario(field: Field) -> None:
        for turn in (field.slots.image, field.slots.preview):
            try:
                async with turn():
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
        await field.add("a", "p")
        await field.end("a")

    assert play(1, scenario) == ["a", "p"]
