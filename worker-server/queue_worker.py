"""arq's Worker, told of new jobs instead of asking for them, and taking them in one round trip.

arq 0.28 reads the head of the queue at every poll and then takes a job in four round trips: a
third of what a small image cost the worker, 4 % of a core for each idle one, and 10 ms and more
until a job was noticed (`make bench`). What runs a job, and ends it, is arq's own.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

from arq.constants import in_progress_key_prefix
from arq.utils import timestamp_ms
from arq.worker import Worker

import jobs

_LOOK_S = 0.25  # for jobs that became due, were freed, or that somebody else's arq queued
_LEFT_LYING_MS = 250  # a job that whoever queued it should have taken by then
_PAGE, _PAGES = 100, 10  # running jobs stay at the queue's head; the waiting ones are behind them

# Takes jobs as arq does, by their in-progress keys; returns ids and scores in turn. Who finds the
# queue exhausted removes all wake-ups: they tell of jobs that are taken.
_TAKE = f"""
local queue, wake = KEYS[1], KEYS[2]
local prefix, now_ms, taken_ms, wanted = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local taken = {{}}
for page = 0, {_PAGES} - 1 do
    local head = redis.call(
        'ZRANGEBYSCORE', queue, '-inf', now_ms, 'WITHSCORES', 'LIMIT', page * {_PAGE}, {_PAGE})
    for i = 1, #head, 2 do
        if redis.call('SET', prefix .. head[i], 1, 'PX', taken_ms, 'NX') then
            table.insert(taken, head[i])
            table.insert(taken, head[i + 1])
            if #taken == 2 * wanted then return taken end
        end
    end
    if #head < 2 * {_PAGE} then
        if wake then redis.call('DEL', wake) end
        return taken
    end
end
return taken
"""


class QueueWorker(Worker):
    """Takes the options that arq's has; poll_delay and queue_read_limit are of no use.

    queued gets the media id of each job that this process queues, for a queue without wake-ups in
    Redis: a worker then takes as many as it queued, and others only what is left lying.
    """

    def __init__(self, *functions: Any, queued: asyncio.Queue[str], **options: Any) -> None:
        super().__init__(*functions, **options, poll_delay=0)
        self._queued = queued
        self._wake = jobs.WAKE.get(self.queue_name)
        self._take = self.pool.register_script(_TAKE)

    async def _poll_iteration(self) -> None:
        """Called by Worker.main in a loop: start what there is, then wait for more.

        Raises what ended a job's task other than the job itself, as arq's does.
        """
        if self.allow_pick_jobs:
            await self._start_jobs()
        for job_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[job_id]
                task.result()
        await self.heart_beat()
        await self._wait()

    async def _start_jobs(self) -> None:
        free = self.max_jobs - self.job_counter
        if free <= 0:
            return
        keys, due_ms = [self.queue_name], timestamp_ms()
        if self._wake:
            keys.append(self._wake)
        elif own := min(free, self._queued.qsize()):
            for _ in range(own):
                self._queued.get_nowait()
            free = own
        else:
            due_ms -= _LEFT_LYING_MS
        taken_ms = int(self.in_progress_timeout_s * 1000)
        taken: list[bytes] = await self._take(
            keys=keys, args=[in_progress_key_prefix, due_ms, taken_ms, free]
        )
        for job, score in zip(taken[::2], taken[1::2], strict=True):
            job_id = job.decode()
            if job_id in self.tasks and not self.tasks[job_id].done():
                continue  # Redis lost its key, as after FLUSHALL: it is at work here
            await self.sem.acquire()
            self.job_counter += 1
            task = self.loop.create_task(self.run_job(job_id, int(score)))
            task.add_done_callback(lambda _: self._release_sem_dec_counter_on_complete())
            self.tasks[job_id] = task

    async def _wait(self) -> None:
        """Until a job may be there that a slot is free for."""
        if not self.allow_pick_jobs:
            await asyncio.sleep(_LOOK_S)
        elif self.job_counter >= self.max_jobs:
            running = self.tasks.values()
            await asyncio.wait(running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        elif self._wake:
            # Redis wakes whoever has waited longest, so that idle workers share what comes.
            blpop = self.pool.blpop([self._wake], timeout=_LOOK_S)  # type: ignore[arg-type]
            await cast(Awaitable[Any], blpop)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._queued.put(await self._queued.get())
