"""arq's Worker, woken when a job comes instead of polling, with fewer round trips to Redis.

arq 0.28 reads the head of the queue at every poll, takes a job in four round trips, and starts and
ends it in two more, of five and seven answers: half of what a small image cost the worker, 4 % of a
core for each idle one, and 10 ms and more until a job was noticed (`make bench`). Here one script
takes jobs, and one ends a job and queues the next, in a round trip each.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from arq.jobs import deserialize_job_raw
from arq.worker import JobExecutionFailed, Retry, Worker, logger

from pipeline.stages import Outcome
from shared import console
from shared.contract import (
    JOB_TTL_MS,
    WAKE_KEY,
    WATERMARK_QUEUE,
    Stage,
    deserialize_job,
    serialize_job,
)
from shared.redis import jobs
from shared.redis.events import EVENTS_KEY, MOST_EVENTS

_LOOK_S = 0.25  # for jobs that became due, were freed, or that another program's arq queued
_LEFT_LYING_MS = 250  # a job that its own worker has not taken for so long may be taken by any
_DRAIN_S = 30
_TAKE = Path(__file__).with_name("take_jobs.lua").read_text()
_END = Path(__file__).with_name("end_job.lua").read_text()


class PutOff(Retry):
    """Brings a job back after some seconds."""

    def __init__(self, delay_s: float, event: bytes) -> None:
        super().__init__(defer=delay_s)
        self.event = event


class QueueWorker(Worker):
    """Takes arq's options, except those that __init__ sets and queue_read_limit.

    While is_paused says so, no job is taken.

    own_uploads counts the uploads that this process has queued and not taken yet. The upload queue
    has no wake-ups in Redis: a worker takes as many as that, and others only what is left lying.
    """

    # What this depends on in arq 0.28.0: Worker.main calls _poll_iteration in a loop, which is
    # replaced here. So start_jobs, run_job, finish_job, sem, job_counter and job_tasks are never
    # used, nor is close (see retire). tasks, functions, loop, in_progress_timeout_s, heart_beat
    # and the counters jobs_complete, jobs_retried and jobs_failed keep their meaning.

    def __init__(
        self,
        *functions: Any,
        own_uploads: asyncio.Semaphore,
        is_paused: Callable[[], bool],
        **options: Any,
    ) -> None:
        super().__init__(
            *functions,
            **options,
            poll_delay=0,
            handle_signals=False,
            keep_result=0,
            job_serializer=serialize_job,
            job_deserializer=deserialize_job,
            expires_extra_ms=JOB_TTL_MS,
        )
        self._own_uploads = own_uploads
        self._ask_if_paused, self._is_paused = is_paused, False
        self._has_wake_ups = self.queue_name == WATERMARK_QUEUE
        self._more_wait = False  # as far as is known
        self.at_work = asyncio.Event()  # Redis has let it take jobs, and note that it lives
        self._take = self.pool.register_script(_TAKE)
        self._end = self.pool.register_script(_END)

    async def _poll_iteration(self) -> None:
        """Start what there is, then wait for more.

        Raises what ended a job's task other than the job itself, as arq's does.
        """
        for job_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[job_id]
                task.result()
        self._look_whether_paused()
        if self.allow_pick_jobs and not self._is_paused:
            await self._start_jobs()
        await self.heart_beat()
        self.at_work.set()
        await self._wait()

    def _look_whether_paused(self) -> None:
        was_paused, self._is_paused = self._is_paused, self._ask_if_paused()
        if self._is_paused is not was_paused and self._has_wake_ups:
            detail = "paused: takes no more images" if self._is_paused else "takes images again"
            console.event(console.NOTICE, detail=detail)

    async def _start_jobs(self) -> None:
        free = self.max_jobs - len(self.tasks)
        if free <= 0:
            return
        keys, least_due_ms, wanted = [self.queue_name, EVENTS_KEY], 0, free
        if self._has_wake_ups:
            keys.append(WAKE_KEY)
        elif own := await self._take_own(free):
            wanted = own
        else:
            least_due_ms = _LEFT_LYING_MS
        in_progress_ms = int(self.in_progress_timeout_s * 1000)
        arguments = [least_due_ms, in_progress_ms, wanted, MOST_EVENTS]
        taken: list[Any] = await self._take(keys=keys, args=arguments)
        self._more_wait = len(taken) == 3 * free
        for job, payload, tries in zip(*[iter(taken)] * 3, strict=True):
            job_id = os.fsdecode(job)  # another program may have put any bytes there
            if job_id in self.tasks and not self.tasks[job_id].done():
                continue  # Redis lost its key, as after FLUSHALL: it is at work here
            self.tasks[job_id] = self.loop.create_task(self._run(job_id, payload, tries))

    async def _take_own(self, most: int) -> int:
        """Count uploads of this process as taken. Returns how many."""
        count = 0
        while count < most and not self._own_uploads.locked():
            await self._own_uploads.acquire()
            count += 1
        return count

    async def _run(self, job_id: str, payload: bytes, tries: int) -> None:
        """As in arq, only a Retry or being cancelled brings a job back.

        What its function returns is its outcome.
        """
        outcome = Outcome()
        put_off_ms: int | None = None
        try:
            outcome = await self._call_function(payload, tries)
            self.jobs_complete += 1
        except PutOff as put_off:
            put_off_ms, outcome = put_off.defer_score or 0, Outcome(event=put_off.event)
            self.jobs_retried += 1
        except asyncio.CancelledError:
            put_off_ms = 0
            self.jobs_retried += 1
        except Exception as error:
            known = isinstance(error, JobExecutionFailed)
            logger.error("job %s is over: %r", job_id, error, exc_info=not known)
            self.jobs_failed += 1
        await asyncio.shield(self._end_job(job_id, put_off_ms, outcome))

    async def _call_function(self, payload: bytes, tries: int) -> Outcome:
        if not payload:
            raise JobExecutionFailed("it has no payload, or that has expired")
        if tries > self.max_tries:
            raise JobExecutionFailed(f"it was tried {self.max_tries} times")
        name, args, kwargs, *_ = deserialize_job_raw(payload, deserializer=self.job_deserializer)
        call = self.functions[name].coroutine(self.ctx, *args, **kwargs)
        async with asyncio.timeout(self.job_timeout_s):
            outcome: Outcome = await call
        return outcome

    async def _end_job(self, job_id: str, put_off_ms: int | None, outcome: Outcome) -> None:
        """End a job in Redis; or put it off, unless put_off_ms is None."""
        following = outcome.following
        keys = [self.queue_name, EVENTS_KEY]
        arguments: list[bytes | str | int] = [
            os.fsencode(job_id),
            "" if put_off_ms is None else put_off_ms,
            outcome.event,
            MOST_EVENTS,
        ]
        if following:
            queue, following_id, payload = jobs.encoded(following)
            keys.append(queue)
            arguments += [following_id, payload, JOB_TTL_MS]
        await self._end(keys=keys, args=arguments)
        if following and following[1] is Stage.UPLOAD:
            self._own_uploads.release()

    async def _wait(self) -> None:
        """Until there may be a job that a slot is free for."""
        if self._is_paused or not self.allow_pick_jobs:
            await asyncio.sleep(_LOOK_S)
        elif len(self.tasks) >= self.max_jobs:
            running = self.tasks.values()
            await asyncio.wait(running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        elif self._more_wait:
            return  # a job has just ended, and a long queue has fewer wake-ups than jobs
        elif self._has_wake_ups:
            # Redis wakes the worker that has waited longest: idle workers share what comes.
            blpop = self.pool.blpop([WAKE_KEY], timeout=_LOOK_S)  # type: ignore[arg-type]
            await cast(Awaitable[Any], blpop)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S), self._own_uploads:
                    return  # there is one to take

    async def retire(self, stop: asyncio.Event) -> None:
        """Let the jobs of a worker that no longer polls end, then disconnect. Redis may be gone.

        Jobs that take too long are cancelled, which queues them again. arq's close always deletes
        the health key, which a successor uses too. Here it is deleted only when the process stops.
        """
        tasks = list(self.tasks.values())
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=_DRAIN_S)
            for task in unfinished:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):  # it is not used any more
            if stop.is_set():
                await self.pool.delete(self.health_check_key)
            await self.pool.aclose(close_connection_pool=True)
