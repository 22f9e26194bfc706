"""What the worker tells arq, and what it tells whoever started it with a wrong setting."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

import pytest

from pipeline.stages import Stages
from runtime import container_limits
from runtime.container_limits import memory_bytes, usable_cpus
from service import supervisor
from service.queue_worker import QueueWorker
from settings import Settings
from shared import contract, environment
from support.worker import FOLDER


def built(**env: str) -> list[QueueWorker]:
    """The two arq Workers, never connected."""

    async def scenario() -> list[QueueWorker]:
        with patch.dict(os.environ, env):
            stages = SimpleNamespace(settings=Settings(), worker="worker-7")
        workers = supervisor.build_workers(cast(Stages, stages))
        for worker in workers:
            assert worker.ctx["stages"] is stages
        return workers

    return asyncio.run(scenario())


def test_arq_took_every_setting() -> None:
    """It ignores a name that is misspelt."""
    watermark, upload = built(WATERMARK_PROCESSES="3")
    assert (watermark.queue_name, upload.queue_name) == ("arq:watermark", "arq:upload")
    assert list(watermark.functions) == ["watermark_image_task"]
    assert list(upload.functions) == ["upload_to_central_task"]
    assert (watermark.max_jobs, upload.max_jobs) == (6, 16)
    assert watermark.health_check_key == "arq:watermark:health-check:worker-7"
    assert upload.health_check_key == "arq:upload:health-check:worker-7"
    assert watermark.pool is not upload.pool
    for worker in (watermark, upload):
        assert worker.keep_result_s == 0
        assert worker.keep_result_forever is False
        assert worker.max_tries == 50
        assert worker.poll_delay_s == 0, "queue_worker.py waits itself"
        assert worker.health_check_interval == 15
        assert worker.expires_extra_ms == worker.pool.expires_extra_ms == contract.JOB_TTL_MS
        assert worker.job_timeout_s == 3600
        assert worker.in_progress_timeout_s == worker.job_timeout_s + 10
        assert worker.retry_jobs is True
        assert worker._handle_signals is False
        [function] = worker.functions.values()
        assert (function.timeout_s, function.keep_result_s, function.max_tries) == (None,) * 3


def test_jobs_are_json_on_the_worker_and_on_what_it_enqueues_with() -> None:
    job = {"t": 1, "f": "task", "a": ["01KAP3V8Z4J5N6Q7R8S9T0VWXY", 1], "k": {}, "et": 0}
    for worker in built():
        for serialize in (worker.job_serializer, worker.pool.job_serializer):
            assert serialize is not None
            written = serialize(job)
            assert written.startswith(b"{")
            for deserialize in (worker.job_deserializer, worker.pool.job_deserializer):
                assert deserialize is not None
                assert deserialize(written) == job
        assert worker.job_serializer is not None
        assert b"ZeroDivisionError" in worker.job_serializer({"r": ZeroDivisionError()})


def test_no_command_waits_for_a_frozen_redis_for_ever() -> None:
    for worker in built(REDIS_URL="redis://user:p%40ss@redis:6380/3"):
        options = worker.pool.connection_pool.connection_kwargs
        assert options["socket_timeout"] == options["socket_connect_timeout"] == 5
        assert options["retry"]._retries == 5
        assert (options["username"], options["password"]) == ("user", "p@ss")
        assert (options["host"], options["port"], options["db"]) == ("redis", 6380, 3)


def test_as_many_processes_as_cpus_unless_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_limits, "usable_cpus", lambda: 8)
    monkeypatch.setattr(container_limits, "memory_bytes", lambda: 3 * 2**30 + 5)
    assert Settings().processes == 3
    monkeypatch.setattr(container_limits, "memory_bytes", lambda: 2**20)
    assert Settings().processes == 1
    monkeypatch.setattr(container_limits, "memory_bytes", lambda: 2**40)
    assert Settings().processes == 8
    monkeypatch.setenv("WATERMARK_PROCESSES", "20")
    assert Settings().processes == 20


@pytest.mark.parametrize(
    ("cpu_max", "memory_max", "cpus", "memory"),
    [("150000 100000", "1073741824", 1, 2**30), ("50000 100000", "5", 1, 5)],
)
def test_the_limits_of_a_container_count(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpu_max: str,
    memory_max: str,
    cpus: int,
    memory: int,
) -> None:
    monkeypatch.setattr(container_limits, "_CGROUP", tmp_path)
    whole_machine = usable_cpus(), memory_bytes()
    (tmp_path / "cpu.max").write_text(f"{cpu_max}\n")
    (tmp_path / "memory.max").write_text(f"{memory_max}\n")
    assert (usable_cpus(), memory_bytes()) == (cpus, memory)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (usable_cpus(), memory_bytes()) == whole_machine


WRONG = [
    ("SIMULATED_LATENCY", "abc"),
    ("REDIS_URL", "ftp://x"),
    ("CENTRAL_SERVER_URL", "nonsense"),
    ("SIMULATED_LATENCY", "-1"),
    ("REDIS_PORT", "redis"),
    ("WATERMARK_PROCESSES", "0"),
    ("WATERMARK_MEMORY_MB", "much"),
    ("KEEP_ORIGINALS_DAYS", "-1"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_every_setting_is_checked_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match=f"^{variable}={value}: "):
        environment.load(Settings)


@pytest.mark.slow
@pytest.mark.parametrize(("variable", "value"), WRONG[:3])
@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_setting_that_is_wrong_names_itself(
    tmp_path: Path, variable: str, value: str, arguments: list[str]
) -> None:
    ended = subprocess.run(
        [sys.executable, str(FOLDER / "worker.py"), *arguments],
        cwd=tmp_path,
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    assert ended.stderr.startswith(f"{variable}={value}: ")
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "shortest", "longest"), [("0", 0, 0), ("0.5", 0.5, 0.5), ("3-8", 3, 8)]
)
def test_the_simulated_latency_is_a_number_or_a_range(
    monkeypatch: pytest.MonkeyPatch, text: str, shortest: float, longest: float
) -> None:
    monkeypatch.setenv("SIMULATED_LATENCY", text)
    assert Settings().simulated_latency_s == (shortest, longest)
