"""The worker process: two arq queues on one event loop, restarted when Redis fails them."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from formats import registry
from pipeline.delivery import DeliveryClient
from pipeline.logo import REFRESH_S, Logo
from pipeline.previews import PreviewMaker
from pipeline.stages import Stages
from recovery.reconciler import Reconciler
from recovery.record_repair import RecordRepair
from runtime import clean_environment
from runtime.decoder_processes import DecoderProcesses
from service import health, tasks, worker_name
from service.queue_worker import QueueWorker
from service.report import Reporter
from settings import Settings
from shared import console, environment, pause
from shared.background import end, repeat
from shared.contract import DONE, FAILED, UPLOAD_QUEUE, WATERMARK_QUEUE
from shared.redis import jobs
from shared.redis.previews import Kind
from shared.redis.worker_report import REPORT_S
from shared.spool import Spool

_UPLOAD_SLOTS = 16
_MAX_TRIES = 50  # arq counts interruptions, too; attempts are counted in progress.json
_HEALTH_S = 15
_TAKING_S = 0.1
_REBUILD_PAUSE_S = 1.0
_REDIS_ANSWER_S = 5.0
# For a disk that hangs. The stages have limits of their own, in which the time that a worker is
# frozen does not count; in this one it does.
_JOB_S = 3600


def main() -> None:
    """Run until SIGTERM or SIGINT. Raises SystemExit where a setting is wrong."""
    console.configure()
    uvloop.run(_serve(environment.load(Settings)))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await _refuse_cluster(settings)
    async with _opened(settings) as stages:
        console.event(
            console.READY,
            service="worker-server",
            worker=stages.worker,
            processes=settings.processes,
            memory_mb=settings.memory_mb,
            uploads=settings.upload_dir.resolve(),
        )
        repairs = [RecordRepair(state, stages.spool, stages.central) for state in (FAILED, DONE)]
        redis_notice, reporter = console.RecurringNotice(), Reporter(stages)
        previews = PreviewMaker(stages)
        async with asyncio.TaskGroup() as retiring:
            while not stop.is_set():
                workers = build_workers(stages)
                try:
                    await _work(stages, workers, repairs, redis_notice, reporter, previews, stop)
                except Exception as error:  # of Redis, or of arq when a connection drops
                    detail = f"taking jobs failed, workers start anew: {error!r}"
                    redis_notice.report(worker=stages.worker, detail=detail)
                    with suppress(Exception):  # they say it again
                        await jobs.put_aside_foreign_keys(workers[0].pool)
                # New ones take jobs while those that failed finish theirs.
                for worker in workers:
                    retiring.create_task(worker.retire(stop))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _REBUILD_PAUSE_S)
            console.event(console.NOTICE, worker=stages.worker, detail="finishing what runs")


async def _refuse_cluster(settings: Settings) -> None:
    redis = _redis(settings, WATERMARK_QUEUE, retries=0)
    try:
        await jobs.refuse_cluster(redis)
    finally:
        await redis.aclose(close_connection_pool=True)


def _redis(settings: Settings, queue: str, retries: int) -> ArqRedis:
    return jobs.connect(settings.redis_dsn, queue, timeout_s=_REDIS_ANSWER_S, retries=retries)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Stages]:
    """The stages; the decoder processes and the logo are warm."""
    name = worker_name.resolve(settings)
    spool = Spool(settings.upload_dir)
    try:
        spool.prepare()
    except OSError as error:
        raise SystemExit(environment.unusable("UPLOAD_DIR", settings.upload_dir, error)) from None
    central = DeliveryClient(
        str(settings.central_server_url), name, settings.upload_timeout_seconds
    )
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        decoders = DecoderProcesses(
            settings.processes,
            settings.watermark_timeout_seconds,
            settings.memory_mb,
            Path(folder),
        )
        logo = Logo(settings.logo, Path(folder), decoders)
        clean_environment.forget_the_rest()
        await decoders.warm_up(registry.load)
        background = asyncio.create_task(repeat("the logo", logo.refresh, REFRESH_S))
        yield Stages(settings, name, spool, decoders, logo, central)
        background.cancel()
        await logo.close()
    await central.close()


async def _work(
    stages: Stages,
    workers: list[QueueWorker],
    repairs: list[RecordRepair],
    redis_notice: console.RecurringNotice,
    reporter: Reporter,
    previews: PreviewMaker,
    stop: asyncio.Event,
) -> None:
    """Poll both queues and reconcile until stop is set; jobs may still run then.

    Raises RedisError or OSError where Redis failed a worker.
    """
    redis = workers[0].pool
    reconciler = Reconciler(
        stages.spool, redis, stages.central, stages.logo, stages.settings, repairs, redis_notice
    )
    report_health = partial(_report_health, stages, redis, reporter)
    running = [
        *(asyncio.create_task(worker.async_run()) for worker in workers),
        asyncio.create_task(repeat("health", report_health, _HEALTH_S)),
        asyncio.create_task(repeat("report", partial(reporter.send, redis), REPORT_S)),
        asyncio.create_task(reconciler.run()),
        *(asyncio.create_task(previews.run(redis, kind)) for kind in Kind),
        asyncio.create_task(stop.wait()),
    ]
    clearing = asyncio.create_task(_clear_when_over(stages, workers, redis_notice))
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    clearing.cancel()
    for worker in workers:
        worker.allow_pick_jobs = False
    await asyncio.sleep(_TAKING_S)  # jobs that are being taken right now still start
    await end(running)
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _clear_when_over(
    stages: Stages, workers: list[QueueWorker], redis_notice: console.RecurringNotice
) -> None:
    for worker in workers:
        await worker.at_work.wait()
    redis_notice.clear(worker=stages.worker, detail="taking jobs again")


async def _report_health(stages: Stages, redis: ArqRedis, reporter: Reporter) -> None:
    """A worker whose logo cannot work takes jobs, but is unhealthy."""
    key = health.unhealthy_key(stages.worker)
    reason = reporter.unhealthy = await stages.logo.unhealthy_reason()
    with suppress(RedisError):  # the worker that takes jobs says so
        if reason:
            await redis.set(key, reason, ex=3 * _HEALTH_S)
        else:
            await redis.delete(key)


def build_workers(stages: Stages) -> list[QueueWorker]:
    """One for each queue: few slots for pixels, so that idle workers get their share; many for
    uploads, which only wait."""
    decoder_slots, own_uploads = 2 * stages.settings.processes, asyncio.Semaphore(0)
    return [
        _worker(stages, own_uploads, WATERMARK_QUEUE, tasks.watermark_image_task, decoder_slots),
        _worker(stages, own_uploads, UPLOAD_QUEUE, tasks.upload_to_central_task, _UPLOAD_SLOTS),
    ]


def _worker(
    stages: Stages, own_uploads: asyncio.Semaphore, queue: str, task: Any, slots: int
) -> QueueWorker:
    return QueueWorker(
        [task],
        queue_name=queue,
        redis_pool=_redis(stages.settings, queue, retries=5),  # each worker closes its own
        max_jobs=slots,
        job_timeout=_JOB_S,
        max_tries=_MAX_TRIES,
        health_check_interval=_HEALTH_S,
        health_check_key=health.key(queue, stages.worker),
        ctx={"stages": stages},
        own_uploads=own_uploads,
        is_paused=partial(pause.is_on, stages.settings.upload_dir),
    )
