"""Time limits that do not run out while the worker is frozen."""

import asyncio
import time

import pytest

from runtime import deadlines


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_TICK_S", 0.05)


def test_work_that_ends_in_time_gives_its_result() -> None:
    assert asyncio.run(deadlines.within(60, asyncio.sleep(0, "done"))) == "done"


def test_work_that_does_not_is_cancelled() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        asyncio.run(deadlines.within(0.1, work()))
    assert ended


def test_what_the_work_raises_arrives() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(deadlines.within(60, work()))


def test_cancelling_it_cancels_the_work() -> None:
    async def scenario() -> bool:
        work = asyncio.ensure_future(asyncio.Event().wait())

        async def awaited() -> bool:
            return await work

        waiting = asyncio.create_task(deadlines.within(60, awaited()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return work.cancelled()

    assert asyncio.run(scenario())


def test_the_time_for_which_the_process_was_frozen_does_not_count() -> None:
    async def scenario() -> str:
        going_on = asyncio.create_task(deadlines.within(0.4, asyncio.sleep(0.1, "done")))
        await asyncio.sleep(0)
        time.sleep(1)  # noqa: ASYNC251 - nothing runs in this process, as if it were stopped
        return await going_on

    assert asyncio.run(scenario()) == "done"
