"""Short launches in place keep the GIL, others let it go; told by a thread that waits for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt._runner import InPlace

LAUNCHES = 2000
PATIENCE_S = 20.0
ONE = (1, 1, 1)


def double(x: Any) -> None:
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= 2


def drown(x: Any, turns: int) -> None:
    for k in range(turns):
        x[0] += k


@pytest.fixture
def switches_never() -> Iterator[None]:
    """Whoever has the GIL keeps it until it lets it go by itself."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(interval_s)


class Waiting:
    """A thread that waits for the GIL, once `begin` was called."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.has_had_it = False
        self.thread = threading.Thread(target=self._wait)
        self.thread.start()

    def begin(self) -> None:
        self.gate.release()

    def _wait(self) -> None:
        self.gate.acquire()
        self.has_had_it = True


@pytest.mark.usefixtures("switches_never")
def test_short_launches_keep_the_gil() -> None:
    args = (np.ones(3),)
    special = simt.Kernel(double).specialize(args)
    place, waiting = InPlace(), Waiting()
    special.ns_per_block = 1.0
    waiting.begin()
    for _ in range(LAUNCHES):
        special.ns_per_block = 1.0  # whatever a busy machine made of it
        assert place.run(special, ONE, ONE, args)[0] is None
    assert not waiting.has_had_it
    waiting.thread.join(PATIENCE_S)
    assert waiting.has_had_it
    place.close()


@pytest.mark.usefixtures("switches_never")
@pytest.mark.parametrize("ns_per_block", [None, 1e6])
def test_launches_that_are_long_or_never_timed_let_the_gil_go(ns_per_block: float | None) -> None:
    lets_go(simt.Kernel(double), ns_per_block, np.ones(3))


@pytest.mark.usefixtures("switches_never")
def test_launches_as_long_as_their_data_say_let_the_gil_go() -> None:
    lets_go(simt.Kernel(drown), 1.0, np.ones(1), 1)


def lets_go(kernel: simt.Kernel, ns_per_block: float | None, *args: Any) -> None:
    special = kernel.specialize(args)
    place, waiting = InPlace(), Waiting()
    waiting.begin()
    launches = 0
    while not waiting.has_had_it:  # the thread may not be awake yet
        special.ns_per_block = ns_per_block
        assert place.run(special, ONE, ONE, args)[0] is None
        launches += 1
        assert launches < 100 * LAUNCHES
    waiting.thread.join(PATIENCE_S)
    place.close()


def test_fault_of_a_launch_that_keeps_the_gil_is_told() -> None:
    args = (np.ones(1), 0)
    special = simt.Kernel(divide).specialize(args)
    place = InPlace()
    for ns_per_block in (None, 1.0):
        special.ns_per_block = ns_per_block
        error, _ = place.run(special, ONE, ONE, args)
        assert error is not None
        assert "zero" in str(error)
    place.close()


def divide(x: Any, by: int) -> None:
    x[0] = 1 // by
