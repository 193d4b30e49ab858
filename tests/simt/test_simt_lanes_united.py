"""Loops that lanes go through together though others do not: their conditions are the same for all that enter."""

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt.lanes import _expressions, _lower, _masked, _ramps, _united

SIZE = 100


@cuda.jit
def some_loop(x, turns, stop, out):
    """A nested loop, one that ends early, and what lanes that do not enter keep."""
    i = cuda.grid(1)
    if i < out.size:
        total, last = x[i], -1
        out[i] = total
        if x[i] % 3 != 1:
            for j in range(turns):
                for k in range(j):
                    total += x[i] * k + x[(i + k) % x.size]
                    last = k
                if j == stop:
                    total += 1000
                    break
                total -= j
            else:
                total += 5
            out[i] = total
        out[i] += last


@pytest.mark.parametrize("has_masks", [False, True])
def test_a_loop_whose_conditions_are_the_same_for_all_that_enter_it(
    has_masks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps, _united):
        monkeypatch.setattr(module, "has_masks", lambda: has_masks)
    monkeypatch.setattr(_united, "SHORT", 1000)
    united = []
    lower = _united.UnitedLower._lower_united

    def noted(self: _united.UnitedLower, *given: object) -> None:
        united.append(given[1] is None)
        lower(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(_united.UnitedLower, "_lower_united", noted)
    lanes, loop = (simt.Kernel(some_loop, lowering=how, width=16) for how in ("lanes", "loop"))
    for step in (0, 1, 3):  # of numbers: all lanes enter, none do, and some
        x = np.arange(SIZE, dtype=np.int64) * step + (1 if step == 0 else 0)
        for turns, stop in ((6, 99), (6, 2), (0, 0), (5, 4)):
            got, wanted = np.zeros(SIZE, np.int64), np.zeros(SIZE, np.int64)
            for kernel, out in ((lanes, got), (loop, wanted)):
                args = (x, turns, stop, out)
                simt.run(kernel.specialize(args), 4, 32, args)
            np.testing.assert_array_equal(got, wanted)
    assert united
    assert any(united) is not has_masks
