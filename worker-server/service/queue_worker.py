"""arq's Worker, told of new jobs instead of asking for them, with fewer round trips.

arq 0.28 reads the head of the queue at every poll, takes a job in four round trips, and starts and
ends it in two more, of five and seven answers: half of what a small image cost the worker, 4 % of a
core for each idle one, and 10 ms and more until a job was noticed (`make bench`). Here are one to
take jobs and one to end a job and to queue the next, with one answer each.
"""

import asyncio
import os
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import deserialize_job_raw
from arq.worker import JobExecutionFailed, Retry, Worker, logger

from shared import jobs
from shared.jobs import Job

_LOOK_S = 0.25  # for jobs that became due, were freed, or that somebody else's arq queued
_LEFT_LYING_MS = 250  # a job that whoever queued it should have taken by then
_TRIES_KEPT_S = 88_400  # arq's own
_PAGE, _PAGES = 100, 10  # running jobs stay at the queue's head; the waiting ones are behind them

# Takes jobs as arq does, by their in-progress keys, and counts the try; returns id, payload and
# tries of each in turn. Who finds the queue exhausted removes all wake-ups: they tell of jobs that
# are taken. What somebody else wrote under a job's keys counts as nothing.
_TAKE = f"""
{jobs.NOW_MS}
local queue, wake = KEYS[1], KEYS[2]
local lying_ms, taken_ms, wanted = ARGV[1], ARGV[2], tonumber(ARGV[3])
local taken = {{}}
local function take(job)
    local tries, body = '{retry_key_prefix}' .. job, redis.pcall('GET', '{job_key_prefix}' .. job)
    local count = redis.pcall('INCR', tries)
    if type(count) ~= 'number' then
        redis.call('SET', tries, 1)
        count = 1
    end
    redis.call('EXPIRE', tries, {_TRIES_KEPT_S})
    for _, fact in ipairs({{job, type(body) == 'string' and body or '', count}}) do
        table.insert(taken, fact)
    end
end
for page = 0, {_PAGES} - 1 do
    local head = redis.call(
        'ZRANGEBYSCORE', queue, '-inf', now_ms - lying_ms, 'LIMIT', page * {_PAGE}, {_PAGE})
    for _, job in ipairs(head) do
        if redis.call('SET', '{in_progress_key_prefix}' .. job, 1, 'PX', taken_ms, 'NX') then
            take(job)
            if #taken == 3 * wanted then return taken end
        end
    end
    if #head < {_PAGE} then
        if wake and redis.call('TYPE', wake).ok == 'list' then redis.call('DEL', wake) end
        return taken
    end
end
return taken
"""

# Ends a job, or puts it off by some ms, and queues those that follow.
_END = f"""
local first = 6
{jobs.QUEUE_JOBS}
local job, put_off_ms = ARGV[4], ARGV[5]
redis.call('DEL', '{in_progress_key_prefix}' .. job)
if put_off_ms == '' then
    redis.call('DEL', '{retry_key_prefix}' .. job, '{job_key_prefix}' .. job)
    redis.call('ZREM', KEYS[1], job)
elseif put_off_ms ~= '0' then
    redis.call('ZADD', KEYS[1], 'XX', now_ms + put_off_ms, job)
end
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
        self._more_wait = False  # as far as is known
        self.at_work = asyncio.Event()  # Redis has let it take jobs, and note that it lives
        self._take = self.pool.register_script(_TAKE)
        self._end = self.pool.register_script(_END)

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
        self.at_work.set()
        await self._wait()

    async def _start_jobs(self) -> None:
        free = self.max_jobs - self.job_counter
        if free <= 0:
            return
        keys, lying_ms, wanted = [self.queue_name], 0, free
        if self._wake:
            keys.append(self._wake)
        elif own := min(free, self._queued.qsize()):
            for _ in range(own):
                self._queued.get_nowait()
            wanted = own
        else:
            lying_ms = _LEFT_LYING_MS
        taken_ms = int(self.in_progress_timeout_s * 1000)
        taken: list[Any] = await self._take(keys=keys, args=[lying_ms, taken_ms, wanted])
        self._more_wait = len(taken) == 3 * free
        for job, payload, tries in zip(*[iter(taken)] * 3, strict=True):
            job_id = os.fsdecode(job)  # whatever somebody else put there
            if job_id in self.tasks and not self.tasks[job_id].done():
                continue  # Redis lost its key, as after FLUSHALL: it is at work here
            await self.sem.acquire()
            self.job_counter += 1
            task = self.loop.create_task(self._run(job_id, payload, tries))
            task.add_done_callback(lambda _: self._release_sem_dec_counter_on_complete())
            self.tasks[job_id] = task

    async def _run(self, job_id: str, payload: bytes, tries: int) -> None:
        """Instead of arq's run_job, by the same rules: only a Retry or being cancelled brings a
        job back. What its function returns is the job to queue next, if any."""
        following: Job | None = None
        put_off_ms: int | None = None
        try:
            following = await self._called(payload, tries)
            self.jobs_complete += 1
        except Retry as retry:
            put_off_ms = retry.defer_score or 0
            self.jobs_retried += 1
        except asyncio.CancelledError:
            put_off_ms = 0
            self.jobs_retried += 1
        except Exception as error:
            known = isinstance(error, JobExecutionFailed)
            logger.error("job %s is over: %r", job_id, error, exc_info=not known)
            self.jobs_failed += 1
        await asyncio.shield(self._ended(job_id, put_off_ms, following))

    async def _called(self, payload: bytes, tries: int) -> Job | None:
        if not payload:
            raise JobExecutionFailed("it has no payload, or that has expired")
        if tries > self.max_tries:
            raise JobExecutionFailed(f"it was tried {self.max_tries} times")
        name, args, kwargs, *_ = deserialize_job_raw(payload, deserializer=self.job_deserializer)
        call = self.functions[name].coroutine(self.ctx, *args, **kwargs)
        async with asyncio.timeout(self.job_timeout_s):
            following: Job | None = await call
        return following

    async def _ended(self, job_id: str, put_off_ms: int | None, following: Job | None) -> None:
        put_off = "" if put_off_ms is None else put_off_ms
        described = jobs.described([following] if following else [])
        arguments = [*jobs.common(), os.fsencode(job_id), put_off, *described]
        await self._end(keys=[self.queue_name], args=arguments)
        if following and jobs.QUEUE_AND_TASK[following[1]][0] not in jobs.WAKE:
            self._queued.put_nowait(following[0])

    async def _wait(self) -> None:
        """Until a job may be there that a slot is free for."""
        if not self.allow_pick_jobs:
            await asyncio.sleep(_LOOK_S)
        elif self.job_counter >= self.max_jobs:
            running = self.tasks.values()
            await asyncio.wait(running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        elif self._more_wait:
            return  # a job has just ended, and a long queue has fewer wake-ups than jobs
        elif self._wake:
            # Redis wakes whoever has waited longest, so that idle workers share what comes.
            blpop = self.pool.blpop([self._wake], timeout=_LOOK_S)  # type: ignore[arg-type]
            await cast(Awaitable[Any], blpop)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._queued.put(await self._queued.get())
