"""Ctrl-C at every point of a blocking launch: nothing of it runs on, and the workers take the next one."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest
from control_c import ControlC
from simt_python_kernel import PythonKernel

from rkruntime.dropin._engine import Engine
from rkruntime.simt._run import run
from rkruntime.simt._schedule import Workers

BLOCKS = 4


def everything_goes_on(launch: Any, points: range, ns_per_block: float | None) -> int:
    """Interrupt a launch at each of these points, run another after each; return how many there were."""
    pause = threading.Event()
    for at in points:
        kernel = PythonKernel(lambda _: pause.wait(0.001))
        kernel.ns_per_block = ns_per_block
        control_c = ControlC(at, __name__)
        try:
            with control_c.watching():
                launch(kernel)
        except KeyboardInterrupt:
            assert not kernel.running
            ran = list(kernel.chunks)
            after = PythonKernel()
            after.ns_per_block = ns_per_block
            launch(after)
            assert after.blocks == list(range(BLOCKS))
            assert kernel.chunks == ran
        else:
            assert kernel.blocks == list(range(BLOCKS))
            return at
    raise AssertionError(f"there are more than {points.stop} points")


@pytest.mark.parametrize("ns_per_block", [None, 1e6], ids=["by workers", "with the caller's help"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_script_s_launch(count: int, ns_per_block: float | None) -> None:
    workers = Workers(count, daemon=True)

    def launch(kernel: PythonKernel) -> None:
        run(kernel, BLOCKS, 1, (), workers=workers)

    points = everything_goes_on(launch, range(1, 1000), ns_per_block)
    assert points > 20
    workers.close()


@pytest.mark.parametrize("ns_per_block", [None, 1e6], ids=["by workers", "with the caller's help"])
def test_a_launch_of_the_drop_in(ns_per_block: float | None) -> None:
    engine = Engine(1)

    def launch(kernel: PythonKernel) -> None:
        engine.run(kernel, (BLOCKS, 1, 1), (1, 1, 1), (), 0)

    points = everything_goes_on(launch, range(1, 1000), ns_per_block)
    assert points > 20
    engine.close()


def signal_only_noted(once: threading.Event) -> threading.Thread:
    """Have CPython note a Ctrl-C on another thread once that is so: it wakes nobody who sleeps on the main thread."""

    def note() -> None:
        once.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    thread = threading.Thread(target=note)
    thread.start()
    return thread


@pytest.mark.parametrize("ns_per_block", [None, 1e6], ids=["by workers", "with the caller's help"])
@pytest.mark.parametrize("launch", ["a script's", "the drop-in's"])
def test_a_signal_that_wakes_nobody_ends_the_launch(launch: str, ns_per_block: float | None) -> None:
    blocks = 10_000  # of a millisecond each
    begun, pause = threading.Event(), threading.Event()

    def take_a_while(_: int) -> None:
        begun.set()
        pause.wait(0.001)

    kernel = PythonKernel(take_a_while)
    kernel.ns_per_block = ns_per_block
    noting = signal_only_noted(begun)
    workers, engine = Workers(1), Engine(1)
    with pytest.raises(KeyboardInterrupt):
        if launch == "a script's":
            run(kernel, blocks, 1, (), workers=workers)
        else:
            engine.run(kernel, (blocks, 1, 1), (1, 1, 1), (), 0)
    noting.join()
    workers.close()
    engine.close()
    assert not kernel.running
    assert len(kernel.chunks) < blocks
