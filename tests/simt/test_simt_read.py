"""Reading and rewriting: names by object, device functions, closures."""

import linecache
import math
from types import MappingProxyType

import numba
import numba.cuda as nc
import numpy as np
import pytest
from numba import cuda
from numba.cuda import atomic as at
from numba.cuda import grid as place
from numba.cuda import local
from numba.cuda import threadIdx as lane
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import KernelCompileError

SCALE = 3
WIDTH = 4


@cuda.jit
def aliased(out, total):
    i = place(1)
    j = lane.x + nc.blockIdx.x * nc.blockDim.x
    mine = local.array(shape=WIDTH, dtype=numba.int64)
    mine[i % WIDTH] = i
    if i < out.size:
        out[i] = i + j + mine[i % WIDTH]
        at.add(total, 0, 1)


def plain(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = SCALE * i


@cuda.jit
def imports_inside(out):
    import math as m

    from numba import cuda as inner

    position = inner.grid
    i = position(1)
    if i < out.size:
        out[i] = m.floor(i * 1.5)


@cuda.jit
def keeps_the_triple(out):
    t = cuda.threadIdx
    d = cuda.blockDim
    x, y = cuda.blockIdx.x, cuda.blockIdx.y
    i = t.x + x * d.x + y
    if i < out.size:
        out[i] = i


@cuda.jit
def local_constant(out):
    n = 2 * WIDTH
    mine = cuda.local.array((n, 2), dtype=np.float32)
    i = cuda.grid(1)
    if i < out.size:
        mine[i % n, 1] = i
        out[i] = mine[i % n, 1]


def test_features_are_known_by_object_and_not_by_spelling():
    out, total = np.zeros(50, np.int64), np.zeros(1, np.int64)
    run(aliased, 2, 32, out, total)
    assert (out.tolist(), total.tolist()) == ([3 * i for i in range(50)], [50])


@pytest.mark.parametrize(
    ("kernel", "wanted"),
    [
        (plain, lambda i: SCALE * i),
        (imports_inside, lambda i: math.floor(1.5 * i)),
        (keeps_the_triple, lambda i: i),
        (local_constant, lambda i: i),
    ],
    ids=["plain", "imports", "triple", "constant"],
)
def test_ways_to_write_it(kernel, wanted):
    out = np.zeros(40, np.int64)
    run(kernel, 2, 32, out)
    assert out.tolist() == [wanted(i) for i in range(40)]


def make_kernel(factor, function):
    offset = np.int32(5)

    @cuda.jit
    def closed_over(out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = function(i, factor) + offset

    return closed_over


@cuda.jit(device=True)
def times(i, factor):
    return i * factor


@cuda.jit(device=True)
def place_of(stride):
    return cuda.blockIdx.x * stride + cuda.threadIdx.x


@cuda.jit(device=True)
def times_at_place(i, factor):
    return times(place_of(cuda.blockDim.x), factor=factor) + 0 * i


@numba.njit
def halved(i, factor):
    return i // factor


@cuda.jit(device=True)
def factorial(n):
    if n < 2:
        return 1
    return n * factorial(n - 1)


@cuda.jit(device=True)
def falls(i, factor):
    return factorial(i % 5) + factor


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (times, lambda i: 7 * i),
        (times_at_place, lambda i: 7 * i),
        (halved, lambda i: i // 7),
        (falls, lambda i: math.factorial(i % 5) + 7),
    ],
    ids=["device", "nested", "njit", "recursive"],
)
def test_closures_and_device_functions(function, wanted):
    out = np.zeros(40, np.int64)
    run(make_kernel(7, function), 2, 32, out)
    assert out.tolist() == [wanted(i) + 5 for i in range(40)]


class Tools:
    """A namespace."""

    scale = 11
    times = times


@cuda.jit
def namespaced(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = Tools.times(i, 2)


def test_device_functions_in_a_namespace():
    out = np.zeros(4, np.int64)
    run(namespaced, 1, 4, out)
    assert out.tolist() == [0, 2, 4, 6]


def test_a_kernel_from_a_notebook_cell():
    """IPython compiles cells under names that are no files, and keeps their text in linecache."""
    text = "from numba import cuda\n@cuda.jit\ndef cell(out):\n    out[cuda.grid(1)] = 1 // out[cuda.grid(1)]\n"
    name = "/tmp/ipykernel_1/12345.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace = {}
    exec(compile(text, name, "exec"), namespace)
    out = np.ones(4, np.int64)
    run(namespace["cell"], 1, 4, out)
    assert out.tolist() == [1] * 4
    with pytest.raises(Exception, match=r"12345\.py:4: kernel cell in block \(0, 0, 0\), thread \(2, 0, 0\)"):
        run(namespace["cell"], 1, 4, np.array([1, 1, 0, 1]))


def test_a_dispatcher_with_a_signature_is_read_like_any_other():
    """Compiling for a signature at once needs a GPU; the function behind the dispatcher does not."""

    class Dispatcher:
        py_func = staticmethod(plain)
        targetoptions = MappingProxyType({"fastmath": True, "opt": True, "device": False})

    out = np.zeros(4, np.int64)
    special = simt.Kernel(Dispatcher()).specialize((out,))
    simt.run(special, 1, 4, (out,))
    assert out.tolist() == [0, 3, 6, 9]


def test_specialisations_are_kept_by_type():
    kernel = simt.Kernel(plain)
    first = kernel.specialize((np.zeros(4, np.int64),))
    assert kernel.specialize((np.zeros(9, np.int64),)) is first
    assert kernel.find((np.zeros(2, np.int64),)) is first
    assert kernel.find((np.zeros(2, np.float32),)) is None
    assert kernel.specialize((np.zeros(8, np.int64)[::2],)) is not first


# Which arguments a kernel may store to


@cuda.jit(device=True)
def fill(target, value):
    target[0] = value


@cuda.jit(device=True)
def fill_through(a, b):
    row = b[0]
    fill(row, 1.0)
    return a


@cuda.jit
def stores(read, stored, added, rows, viewed, through, scalar):
    i = cuda.grid(1)
    total = 0.0
    for k in range(3):
        total += read[k]
    stored[i] = total + read.sum()
    cuda.atomic.add(added, 0, 1)
    for row in rows:
        row[0] = scalar
    flat = viewed.reshape(4)
    alias = flat[2:] if i > 3 else flat[1:]
    alias[0] += 1
    fill_through(read, through)


def test_written_arguments_through_aliases_and_device_functions():
    square = np.zeros((2, 2))
    args = (np.zeros(4), np.zeros(4), np.zeros(4), square, np.zeros((2, 2)), square, 1.0)
    assert sorted(run(stores, 1, 1, *args).written) == [1, 2, 3, 4, 5]


POINTS = np.zeros(4, np.dtype([("x", np.int64), ("at", [("y", np.int64)])]))


@cuda.jit
def stores_fields(points, named, inner, held, shifted, read, by):
    i = cuda.grid(1)
    points[i].x = read[i].x
    named[i]["x"] = 1
    inner[i].at.y += 1
    one = held[i]
    one.x = 1
    shifted[i].x <<= by


def test_a_store_to_a_records_field_is_one_to_its_array():
    args = [POINTS.copy() for _ in range(6)]
    assert run(stores_fields, 1, 4, *args, 1).written == {0, 1, 2, 3, 4}


@cuda.jit
def only_reads(a, b, out):
    i = cuda.grid(1)
    rows, columns = a.shape
    here = a[i % rows, 0]
    here += b[0]
    here = max(here, math.sqrt(b[1]))
    out[i % columns] = here


def test_arguments_that_are_only_read():
    assert run(only_reads, 1, 1, np.ones((2, 2)), np.ones(2), np.zeros(2)).written == {2}


def test_explain_shows_the_lowering_its_reason_and_the_source():
    text = run(plain, 1, 4, np.zeros(4, np.int64)).explain()
    assert "lowering: loop" in text
    assert "`i < out.size` bounds the loop over x" in text
    assert "neighbouring blocks along x run as one loop" in text
    assert "_rk_grid_1" in text
    assert f"{__file__}:" in text


@cuda.jit
def shifts_in_place(x, points, counts, by):
    part = x[2:5]
    part <<= by
    x[5:8] >>= by
    points[0].x <<= by
    counts[cuda.atomic.add(counts, 0, 1)] <<= by


@pytest.mark.parametrize("lowering", ["loop", "fibers"])
def test_shifts_in_place_of_parts_of_arrays_and_of_fields(lowering):
    x, points, counts = np.arange(9), POINTS.copy(), np.array([1, 3, 5])
    points["x"] = 5
    special = run(shifts_in_place, 1, 1, x, points, counts, 2, lowering=lowering)
    assert x.tolist() == [0, 1, 8, 12, 16, 1, 1, 1, 8]
    assert points["x"].tolist() == [20, 5, 5, 5]
    assert counts.tolist() == [2, 12, 5], "the index is computed once"
    assert {0, 1, 2} <= special.written


@cuda.jit
def shifts_a_real_number(x):
    x[0] = x[1] << x[2]


def test_a_shift_of_a_real_number_is_named():
    with pytest.raises(KernelCompileError) as caught:
        run(shifts_a_real_number, 1, 1, np.ones(3))
    assert "a shift takes whole numbers, not float64 and float64" in str(caught.value)
    assert caught.value.line == shifts_a_real_number.py_func.__code__.co_firstlineno + 2


@cuda.jit
def waits(out):
    cuda.syncthreads()
    out[cuda.grid(1)] = cuda.threadIdx.x


def test_a_barrier_is_where_a_kernel_is_cut_and_explain_says_where():
    out = np.zeros(8, np.int64)
    special = run(waits, 2, 4, out)
    assert out.tolist() == [0, 1, 2, 3] * 2
    line = waits.py_func.__code__.co_firstlineno + 2
    said = f"lanes, since it can be cut where threads wait for one another: cuda.syncthreads at {__file__}:{line}"
    assert said in special.explain()
