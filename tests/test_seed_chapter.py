"""The RustKernels chapter "Runtime", row by row and in its order: what it says in Rust works here in Python's idiom."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from rkkernels import saxpy

import rkruntime as rk
from rkruntime import blocking
from rkruntime.config import MemoryConfig, ProductionConfig, ProductionConfigBuilder, RuntimeConfig, RuntimePreset
from rkruntime.errors import Draining, InvalidConfigurations, MemoryPressure, RkError
from rkruntime.memory import KernelMemoryManager, PressureLevel
from rkruntime.runtime import Actor, RuntimeBuilder, State, open_runtime
from rkruntime.service._problems import problem_of
from rkruntime.testing import FakeDevice

COMMAND = str(Path(sys.executable).with_name("rustkernel"))
KIB, MIB, GIB = 2**10, 2**20, 2**30


class Worker(Actor):
    async def work(self, seconds: float) -> float:
        await trio.sleep(seconds)
        return seconds


# Lifecycle States


async def test_the_states_follow_each_other(autojump_clock: trio.testing.MockClock) -> None:
    seen = []
    runtime = RuntimeBuilder().preset("testing").with_device(FakeDevice()).build()
    assert runtime.state is State.CREATED
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            for state in (State.STARTING, State.RUNNING, State.DRAINING, State.STOPPED):
                await runtime.wait_for(state)
                seen.append(state.name)

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        await nursery.start(runtime.run)
        await runtime.shutdown()
    assert seen == ["STARTING", "RUNNING", "DRAINING", "STOPPED"]


# State Descriptions


async def test_state_descriptions(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    device = FakeDevice()
    runtime = RuntimeBuilder().preset("testing").with_shutdown_timeout(5).with_device(device).build()
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)  # Starting: initializes resources, and a kernel whose result is known
        worker = await runtime.spawn(Worker, name="worker", concurrency=2)  # Running: accepts requests
        assert await worker.ask(Worker.work, 1.0) == 1.0
        await runtime.memory.caller.empty(1000, "f4")
        await worker.tell(Worker.work, 1.0)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(runtime.shutdown)
        await runtime.wait_for(State.DRAINING)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Draining):  # Draining: rejects new requests, and finishes those in flight
            await worker.ask(Worker.work, 1.0)
    assert runtime.state is State.STOPPED  # Stopped: all resources are released
    assert runtime.report is not None
    assert runtime.report.completed == 1
    with pytest.raises(RkError):
        device.allocate(1)
    assert "test_seed_chapter.py" in str(runtime.report.leaked)  # and what was left over is told


# Runtime Configuration: Presets


def test_presets() -> None:
    config = RuntimeConfig.development()  # relaxed timeouts, verbose logging
    assert (config.health_check_interval, config.log_level) == (30, "debug")
    config = RuntimeConfig.production()  # reliability
    assert (config.shutdown_timeout, config.log_format) == (30, "json")
    config = RuntimeConfig.high_performance()  # maximum throughput
    assert (config.max_kernel_instances, config.mailbox_capacity) == (10_000, 100_000)


# Custom Configuration


def test_custom_configuration() -> None:
    config = RuntimeConfig(
        gpu_enabled=True,
        max_kernel_instances=100,
        worker_threads=8,
        blocking_threads=32,
        shutdown_timeout=30,
        health_check_interval=10,
    )
    assert attrs.evolve(RuntimeConfig(), max_kernel_instances=100, worker_threads=8, blocking_threads=32) == config


# Configuration Fields


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("gpu_enabled", True),
        ("max_kernel_instances", 1000),
        ("worker_threads", os.cpu_count()),
        ("blocking_threads", 512),
        ("shutdown_timeout", 30),
    ],
)
def test_configuration_fields(field: str, default: object) -> None:
    assert getattr(RuntimeConfig(), field) == default


# Runtime Builder


async def test_runtime_builder(autojump_clock: trio.testing.MockClock) -> None:
    runtime = (
        RuntimeBuilder()
        .preset(RuntimePreset.PRODUCTION)
        .with_max_instances(500)
        .with_shutdown_timeout(60)
        .with_health_check_interval(5)
        .with_device(FakeDevice())
        .build()
    )
    config = runtime.config
    assert (config.max_kernel_instances, config.shutdown_timeout, config.health_check_interval) == (500, 60, 5)
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)
        assert runtime.state is State.RUNNING
        await runtime.shutdown()
    assert runtime.state is State.STOPPED


# Graceful Shutdown


async def test_shutdown_signals(autojump_clock: trio.testing.MockClock) -> None:
    config = attrs.evolve(RuntimeConfig.testing(), shutdown_timeout=5)
    async with open_runtime(config, device=FakeDevice(), handle_signals=True) as runtime:
        worker = await runtime.spawn(Worker, name="worker")
        await worker.tell(Worker.work, 1.0)
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()
    assert runtime.state is State.STOPPED
    assert runtime.report is not None
    assert (runtime.report.completed, runtime.report.cancelled) == (1, 0)


# Drain Period


async def test_during_a_drain(autojump_clock: trio.testing.MockClock) -> None:
    config = attrs.evolve(RuntimeConfig.testing(), shutdown_timeout=2)
    async with open_runtime(config, device=FakeDevice()) as runtime, trio.open_nursery() as nursery:
        worker = await runtime.spawn(Worker, name="worker", concurrency=2)
        await worker.tell(Worker.work, 1.0)
        await worker.tell(Worker.work, 60.0)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(runtime.shutdown)
        await runtime.wait_for(State.DRAINING)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Draining) as caught:  # 1. new requests are rejected, with 503 over HTTP
            await worker.ask(Worker.work, 0.0)
        answer = problem_of(caught.value)
        assert (answer.status, answer.retry_after_s) == (503, caught.value.retry_after_s)
        assert caught.value.retry_after_s > 0
        assert not runtime.health.ready  # 3. health probes return "not ready"
    report = runtime.report
    assert report is not None
    assert (report.completed, report.cancelled) == (1, 1)  # 2. in flight completes; 4. after timeout, it is cancelled


# Memory Management: Memory Configuration


def test_memory_configuration() -> None:
    config = MemoryConfig(
        max_gpu_memory=8 * 1024 * 1024 * 1024,
        max_staging_memory=2 * 1024 * 1024 * 1024,
        pooling_enabled=True,
        pressure_threshold=0.8,
        auto_defrag=True,
    )
    assert attrs.evolve(MemoryConfig(), pressure_threshold=0.8) == config


# Memory Pressure Levels


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (69, PressureLevel.NORMAL),
        (70, PressureLevel.WARNING),
        (84, PressureLevel.WARNING),
        (85, PressureLevel.CRITICAL),
        (94, PressureLevel.CRITICAL),
        (96, PressureLevel.EMERGENCY),
    ],
)
async def test_memory_pressure_levels(percent: int, level: PressureLevel) -> None:
    manager = KernelMemoryManager(MemoryConfig(max_gpu_memory=100 * KIB, pooling_enabled=False), FakeDevice())
    buffer = manager.allocate(percent * KIB)
    assert manager.stats().level is level
    manager.deallocate(buffer)
    await manager.aclose(0.0)


async def test_normal_and_warning(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    manager = KernelMemoryManager(MemoryConfig(max_gpu_memory=100 * KIB, pooling_enabled=False), FakeDevice())
    await manager.caller.empty(1, deferrable=True)  # Normal operation
    held = manager.allocate(75 * KIB)
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # Log warnings, ...
    began_s = trio.current_time()
    with pytest.raises(MemoryPressure):
        await manager.caller.empty(1, deferrable=True, deadline_s=7.0)
    assert trio.current_time() - began_s == 7.0  # ... defer allocations
    manager.deallocate(held)
    await manager.aclose(0.0)


async def test_critical_and_emergency(autojump_clock: trio.testing.MockClock) -> None:
    config = attrs.evolve(RuntimeConfig.testing(), memory=MemoryConfig(max_gpu_memory=16 * MIB))
    async with open_runtime(config, device=FakeDevice()) as runtime:
        memory = runtime.memory
        memory.deallocate(memory.allocate(64 * KIB))
        assert memory.stats().cached_bytes >= 64 * KIB
        held = [memory.allocate(MIB) for _ in range(14)]
        assert memory.stats().level is PressureLevel.CRITICAL
        with pytest.raises(MemoryPressure):  # Reject new kernels
            await runtime.spawn(saxpy)
        held += [memory.allocate(MIB) for _ in range(2)]
        assert memory.stats().level is PressureLevel.EMERGENCY
        assert memory.stats().cached_bytes == 0  # Emergency cleanup
        for buffer in held:
            memory.deallocate(buffer)


# Size-Stratified Pooling


async def test_size_stratified_pooling() -> None:
    manager = KernelMemoryManager(MemoryConfig(), FakeDevice())
    buffer = manager.allocate(1024 * 1024)  # allocate from pool
    stats = manager.stats()
    assert stats.allocated_bytes == MIB
    assert f"Allocated: {stats.allocated_bytes} bytes" == "Allocated: 1048576 bytes"
    assert f"Pool utilization: {stats.pool_utilization:.1%}" == "Pool utilization: 100.0%"
    manager.deallocate(buffer)  # return to pool
    assert manager.stats().allocated_bytes == 0
    assert manager.stats().cached_bytes >= MIB
    await manager.aclose(0.0)


# Production Configuration: Unified Config


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in [name for name in os.environ if name.startswith("RUSTKERNEL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_unified_config(clean: pytest.MonkeyPatch) -> None:
    assert ProductionConfig.from_env() == ProductionConfig()
    config = (
        ProductionConfigBuilder.production()
        .service_name("my-kernel-service")
        .environment("production")
        .runtime(lambda r: r.max_kernel_instances(500).shutdown_timeout(60))
        .memory(lambda m: m.max_gpu_memory(16 * 1024 * 1024 * 1024))
        .build()
    )
    assert (config.service_name, config.environment) == ("my-kernel-service", "production")
    assert (config.runtime.max_kernel_instances, config.runtime.shutdown_timeout) == (500, 60)
    assert config.memory.max_gpu_memory == 16 * GIB
    config.validate()


# TOML Configuration

TOML = """\
# production.toml
environment = "production"
service_name = "rustkernels"
service_version = "0.2.0"

[runtime]
gpu_enabled = true
max_kernel_instances = 500
worker_threads = 16
shutdown_timeout_secs = 60

[memory]
max_gpu_memory = 17179869184  # 16GB
max_staging_memory = 4294967296  # 4GB
pooling_enabled = true
pressure_threshold = 0.8

[security]
rbac_enabled = true
audit_logging = true

[observability]
metrics_enabled = true
tracing_enabled = true
"""


def test_toml_configuration(clean: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "production.toml"
    file.write_text(TOML)
    config = ProductionConfig.from_file(file)
    assert (config.environment, config.service_name, config.service_version) == ("production", "rustkernels", "0.2.0")
    runtime, memory = config.runtime, config.memory
    assert (runtime.gpu_enabled, runtime.max_kernel_instances, runtime.worker_threads) == (True, 500, 16)
    assert runtime.shutdown_timeout == 60
    assert (memory.max_gpu_memory, memory.max_staging_memory) == (16 * GIB, 4 * GIB)
    assert (memory.pooling_enabled, memory.pressure_threshold) == (True, 0.8)
    assert (config.security.rbac_enabled, config.security.audit_logging) == (True, True)
    assert (config.observability.metrics_enabled, config.observability.tracing_enabled) == (True, True)


# CLI Commands


def rustkernel(folder: Path, line: str, status: int = 0) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUSTKERNEL_")}
    environ["XDG_RUNTIME_DIR"] = str(folder)
    command = [COMMAND, *line.split()[1:]]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def test_show_runtime_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rustkernel(tmp_path, "rustkernel runtime status", status=3)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with blocking.open_runtime(RuntimeConfig.testing(), device=FakeDevice(), instance="default"):
        assert "default is running" in rustkernel(tmp_path, "rustkernel runtime status")


def test_show_current_configuration(tmp_path: Path) -> None:
    assert "runtime.worker_threads = " in rustkernel(tmp_path, "rustkernel runtime show")


def test_initialize_with_preset(tmp_path: Path) -> None:
    assert rustkernel(tmp_path, "rustkernel runtime init --preset production").endswith("ready\n")
    assert ProductionConfig.from_file(tmp_path / "rustkernel.toml", environ={}) == ProductionConfig.production()


def test_config_commands(tmp_path: Path) -> None:
    rustkernel(tmp_path, "rustkernel config generate --preset production --output config.toml")
    assert "valid" in rustkernel(tmp_path, "rustkernel config validate config.toml")
    assert "RUSTKERNEL_MAX_GPU_MEMORY_GB" in rustkernel(tmp_path, "rustkernel config env")


# Environment Variables


@pytest.mark.parametrize(
    ("variable", "text", "read"),
    [
        ("RUSTKERNEL_ENV", "development", lambda c: c == ProductionConfig.development()),
        ("RUSTKERNEL_ENV", "production", lambda c: c == ProductionConfig.production()),
        ("RUSTKERNEL_ENV", "hp", lambda c: c == ProductionConfig.high_performance()),
        ("RUSTKERNEL_SERVICE_NAME", "mine", lambda c: c.service_name == "mine"),
        ("RUSTKERNEL_GPU_ENABLED", "false", lambda c: c.runtime.gpu_enabled is False),
        ("RUSTKERNEL_MAX_INSTANCES", "12", lambda c: c.runtime.max_kernel_instances == 12),
        ("RUSTKERNEL_MAX_GPU_MEMORY_GB", "16", lambda c: c.memory.max_gpu_memory == 16 * GIB),
    ],
)
def test_environment_variables(clean: pytest.MonkeyPatch, variable: str, text: str, read: Any) -> None:
    clean.setenv(variable, text)
    assert read(rk.ProductionConfig.from_env())
    if variable != "RUSTKERNEL_SERVICE_NAME":
        clean.setenv(variable, "nonsense")
        with pytest.raises(InvalidConfigurations):
            rk.ProductionConfig.from_env()
