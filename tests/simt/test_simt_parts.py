"""What a kernel is made of becomes machine code once, as a whole, and what that points to stays."""

import gc

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.simt import _compile


@cuda.jit
def says(out):
    i = cuda.grid(1)
    if i == 1:
        print("thread", i, "of", out.size)
    for _ in range(2):
        out[i] += 1


@pytest.mark.parametrize("lowering", ["lanes", "loop", "fibers"])
def test_constants_that_a_part_prints_outlive_what_compiled_it(lowering, capfd):
    out = np.zeros(4, np.int64)
    special = simt.Kernel(says, lowering=lowering).specialize((out,))
    gc.collect()
    simt.run(special, 1, 4, (out,))
    assert capfd.readouterr().out == "thread 1 of 4\n"
    np.testing.assert_array_equal(out, 2)


@cuda.jit(device=True)
def halved(value):
    return value // 2


@cuda.jit
def quarters(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = halved(halved(x[i]))


def test_a_part_has_no_machine_code_of_its_own(monkeypatch):
    made = []
    emit = _compile.emit
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    monkeypatch.setattr(_compile, "emit", lambda *args, **how: made.append(emit(*args, **how)) or made[-1])
    x, out = np.arange(8), np.zeros(8, np.int64)
    special = run(quarters, 1, 8, x, out, lowering="loop")
    np.testing.assert_array_equal(out, x // 4)
    body = next(iter(made[-1].body.overloads.values())).library
    assert body.get_pointer_to_function(next(body.get_defined_functions()).name) == 0
    defined = [one.name for one in special._compiled.library.get_defined_functions()]
    assert not any("quarters" in name or "halved" in name for name in defined), "they are part of the driver's loop"


@cuda.jit
def neighbours(x, out):
    t = cuda.threadIdx.x
    out[t] = x[t]
    cuda.syncthreads()
    out[t] += x[t - 1]


def test_a_body_for_blocks_is_part_of_the_loop_over_them(monkeypatch):
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    x, out = np.arange(32), np.zeros(32, np.int64)
    special = run(neighbours, 1, 32, x, out, lowering="lanes")
    np.testing.assert_array_equal(out, x + np.roll(x, 1))
    assert not any("neighbours" in one.name for one in special._compiled.library.get_defined_functions())


@cuda.jit
def telling_places():
    print(cuda.threadIdx, cuda.blockDim)


def test_extents_are_printed_as_cuda_prints_them(capfd: pytest.CaptureFixture[str]) -> None:
    run(telling_places, 1, (2, 1, 2))
    printed = sorted(capfd.readouterr().out.splitlines())
    assert printed == [f"({x}, 0, {z}) (2, 1, 2)" for x in range(2) for z in range(2)]
