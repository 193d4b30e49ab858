"""Vectors of which some lanes are off: stores leave alone what those lanes would have written, whatever holds masks."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt.lanes import _expressions, _lower, _masked, _memory, _ramps

ITEMS, THREADS, SPARE = 37, 48, 3


def static_of(dtype: type) -> Callable[..., None]:
    """Two shared arrays side by side, of neither of which a vector is a whole part."""

    @cuda.jit
    def between(x, low, high, out, other, first, last):
        a = cuda.shared.array(ITEMS, dtype)
        b = cuda.shared.array((2, ITEMS), dtype)
        t = cuda.threadIdx.x
        if t < ITEMS:
            a[t] = x[t]
            b[0, t] = x[t]
            b[1, t] = x[ITEMS - 1 - t]
        cuda.syncthreads()
        if t >= low and t < high:
            a[t] = b[1, t]
        cuda.syncthreads()
        if t >= low and t < high:
            b[0, t + 1] = a[t]
        cuda.syncthreads()
        if t >= first and t < last:
            out[t] = a[t]
            other[0, t] = b[0, t]
            other[1, t] = b[1, t]

    return between


def dynamic_of(dtype: type) -> Callable[..., None]:
    """Dynamic shared memory, which a vector reaches the end of."""

    @cuda.jit
    def between(x, low, high, out, other, first, last):
        a = cuda.shared.array(0, dtype)
        t = cuda.threadIdx.x
        if t < ITEMS:
            a[t] = x[t]
        cuda.syncthreads()
        if t >= low and t < high:
            a[t] = x[ITEMS - 1 - t]
        cuda.syncthreads()
        if t >= first and t < last:
            out[t] = a[t]
            other[0, t] = a[t]
            other[1, t] = a[ITEMS - 1 - t]

    return between


WIDTHS = {np.bool_: 16, np.int8: 64, np.uint16: 16, np.float32: 64, np.float64: 8, np.int64: 16, np.complex64: 8}
CASES = [(static_of, dtype, width, False) for dtype, width in WIDTHS.items()]
CASES += [(dynamic_of, np.float32, 64, False), (dynamic_of, np.complex128, 16, False)]
CASES += [(static_of, np.float32, 16, True), (dynamic_of, np.float64, 16, True)]


def expected(x: np.ndarray, low: int, high: int, *, dynamic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what the two arrays hold in the end."""
    backwards = x[::-1]
    a = x.copy()
    a[low:high] = backwards[low:high]
    if dynamic:
        return a, np.stack([a, a[::-1]])
    b = np.stack([x, backwards])
    b[0, low + 1 : high + 1] = a[low:high]
    return a, b


@pytest.mark.parametrize(("make", "dtype", "width", "has_masks"), CASES)
def test_lanes_that_are_off_leave_memory_alone(
    make: Callable[[type], Callable[..., None]],
    dtype: type,
    width: int,
    has_masks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps):
        monkeypatch.setattr(module, "has_masks", lambda: has_masks)
    dynamic = make is dynamic_of
    x = np.random.default_rng(7).integers(0, 100, ITEMS).astype(dtype)
    untouched = np.full((3, ITEMS + SPARE), 1, dtype)
    kernel = simt.Kernel(make(dtype), width=width)
    for low, high, first, last in ((0, 37, 0, 37), (5, 36, 1, 37), (20, 21, 19, 20), (33, 36, 0, 36), (9, 9, 3, 3)):
        high = min(high, 37 if dynamic else 36)
        out, other = untouched[0].copy(), untouched[1:].copy()
        args = (x, low, high, out, other, first, last)
        special = kernel.specialize(args)
        assert special.lanes == width
        simt.run(special, 1, THREADS, args, shared_bytes=ITEMS * x.itemsize if dynamic else 0)
        a, b = expected(x, low, high, dynamic=dynamic)
        where = np.arange(ITEMS + SPARE)
        written = (where >= first) & (where < last)
        whole = [np.concatenate([row, np.zeros(SPARE, dtype)]) for row in (a, *b)]
        for got, want, before in zip((out, *other), whole, untouched, strict=True):
            np.testing.assert_array_equal(got, np.where(written, want, before))


@cuda.jit
def moved_down(x, out, other):
    before = cuda.shared.array(ITEMS, np.float32)
    a = cuda.shared.array(ITEMS, np.float32)
    t = cuda.threadIdx.x
    if t < ITEMS:
        before[t] = x[t]
        a[t] = x[t]
    cuda.syncthreads()
    if t >= 5:
        a[np.uint64(t) - np.uint64(5)] = 2 * x[t]
    cuda.syncthreads()
    if t < ITEMS:
        out[t] = a[t]
        other[t] = before[t]


def test_a_vector_that_begins_before_an_array_is_not_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes that are off have places below 0 there, which numbers without sign tell by wrapping around."""
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps):
        monkeypatch.setattr(module, "has_masks", lambda: False)
    blended = []
    blend = _memory.Elements.blend

    def noted(elements: _memory.Elements, *given: object) -> None:
        blended.extend(one.type.signed for one in elements.indices)
        blend(elements, *given)

    monkeypatch.setattr(_memory.Elements, "blend", noted)
    x, (out, other) = np.arange(ITEMS + 3, dtype=np.float32), np.zeros((2, ITEMS), np.float32)
    special = simt.Kernel(moved_down, width=16).specialize((x, out, other))
    simt.run(special, 1, x.size, (x, out, other))
    np.testing.assert_array_equal(out, [*(2 * x[5:]), *x[x.size - 5 : ITEMS]])
    np.testing.assert_array_equal(other, x[:ITEMS])
    assert blended
    assert all(blended)


@cuda.jit
def shifted(x, low, out, moved, outer):
    """Places of lanes that are off are before the arrays; with a small `low`, some that are on count from the end."""
    part = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    part[t] = x[t]
    cuda.syncthreads()
    moved[t] = part[t - 5] + x[t - 5] if t >= low else np.float32(-1)
    cuda.syncthreads()
    if t >= low:
        part[t - 5] = 2 * x[t]
        outer[t - 5] = x[t]
    cuda.syncthreads()
    out[t] = part[t]


@pytest.mark.parametrize(("width", "has_masks"), [(8, False), (32, False), (16, True)])
def test_lanes_that_are_off_may_have_places_before_an_array(
    width: int, has_masks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps):
        monkeypatch.setattr(module, "has_masks", lambda: has_masks)
    x = np.random.default_rng(3).random(THREADS, dtype=np.float32)
    kernel = simt.Kernel(shifted, width=width)
    for low in (0, 3, 5, 20, THREADS - 1):
        out, moved, outer = (np.zeros(THREADS + 64, np.float32) for _ in range(3))
        args = (x, low, *(one[32 : 32 + THREADS] for one in (out, moved, outer)))
        simt.run(kernel.specialize(args), 1, THREADS, args)
        on = np.arange(low, THREADS)
        part, far, shift = x.copy(), np.zeros(THREADS, np.float32), np.full(THREADS, -1, np.float32)
        shift[on], part[on - 5], far[on - 5] = x[on - 5] + x[on - 5], 2 * x[on], x[on]
        for got, wanted in ((out, part), (moved, shift), (outer, far)):
            np.testing.assert_array_equal(got, np.pad(wanted, 32))


@cuda.jit
def halves(x, out):
    part = cuda.shared.array(256, np.float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    part[t] = x[i]
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            part[t] += part[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        out[cuda.blockIdx.x] = part[0]


@cuda.jit
def counted(x, counts):
    """Add up how often there is each byte."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(counts, x[i], 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [3, 100, 1000, 1024])
def test_short_numbers_are_loaded_whole_where_all_lanes_are_on(
    dtype: type, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without registers for masks, LLVM makes a branch for each lane of a masked load of one or two bytes."""
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps):
        monkeypatch.setattr(module, "has_masks", lambda: False)
    loads = []
    load_some = _masked._load_some

    def noted(builder: Any, *given: Any) -> Any:
        loads.append(builder.block.name)
        return load_some(builder, *given)

    monkeypatch.setattr(_masked, "_load_some", noted)
    x, counts = np.random.default_rng(5).integers(0, 256, size).astype(dtype), np.zeros(256, np.int32)
    special = simt.Kernel(counted, lowering="lanes").specialize((x, counts))
    simt.run(special, 2, 64, (x, counts))
    np.testing.assert_array_equal(counts, np.bincount(x, minlength=256))
    assert loads
    assert all(".else" in name for name in loads), "behind a look whether all lanes are on"


SLOW = {"bit by bit": r"\spinsrb|\svpinsrb", "masked store": r"\svp?maskmov\w+\s+%\w+, %\w+, [^%\n]*\("}
ASKED = """
import re
import numpy as np
from rkruntime import simt
from test_simt_lanes_masks import SLOW, halves

x, out = np.ones(768, np.float32), np.zeros(3, np.float32)
special = simt.Kernel(halves).specialize((x, out))
simt.run(special, 3, 256, (x, out))
assert out.tolist() == [256] * 3
code = special._compiled.library.get_asm_str()
print(special.lanes, code.count("vaddps") > 3, *(len(re.findall(one, code)) for one in SLOW.values()))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are names of its features and instructions")
def test_what_is_slow_without_masks_in_registers_is_not_emitted() -> None:
    """LLVM makes a vector of a number's bits one by one; and a masked store takes AMD's Zen 3 some ten whole ones."""
    surroundings = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+bmi,+bmi2,-avx512bw,-avx512f",
        "RKRUNTIME_CACHE_DIR": "",
        "PYTHONPATH": os.path.dirname(__file__),
    }
    command = [sys.executable, "-c", ASKED]
    told = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == ["32", "True", "0", "0"]


def test_what_is_slow_is_known_by_its_name() -> None:
    found = (
        "\tvmaskmovps\t%ymm0, %ymm1, 32(%rdi)\n\tvpmaskmovd %ymm0, %ymm1, (%rdi,%rax,4)\n\tvpinsrb $1, %eax, %xmm0\n"
    )
    other = "\tvmaskmovps\t32(%rdi), %ymm1, %ymm0\n\tvmovaps %ymm0, (%rdi)\n"
    assert [len(re.findall(one, found)) for one in SLOW.values()] == [1, 2]
    assert [len(re.findall(one, other)) for one in SLOW.values()] == [0, 0]
