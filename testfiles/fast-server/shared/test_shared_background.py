"""Work beside the event loop ends when it must."""

import asyncio
from contextlib import suppress

import pytest

from shared import background


def test_what_misses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_CANCEL_AGAIN_S", 0.05)
    missed = asyncio.Event()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        missed.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        tasks = [asyncio.create_task(work()), asyncio.create_task(asyncio.sleep(60))]
        await asyncio.sleep(0)
        await background.end(tasks)
        assert missed.is_set()
        assert all(task.cancelled() for task in tasks)

    asyncio.run(scenario())
