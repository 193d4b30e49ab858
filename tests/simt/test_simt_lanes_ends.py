"""Threads that leave the others before a barrier, and come to the same code in the end, on lanes: against fibers."""

import inspect

import numpy as np
import pytest
from numba import cuda
from simt_launching import run
from test_simt_lanes_together import WIDTHS, agrees

from rkruntime import simt

BLOCKS = (48, (5, 3), (16, 4))


def threads_of(block):
    return int(np.prod(block))


def grid_of(block):
    return 3 if isinstance(block, int) else (3, 1)


@cuda.jit
def some_wait(x, out, marks):
    shared = cuda.shared.array(64, np.int64)
    t = cuda.threadIdx.x + cuda.threadIdx.y * cuda.blockDim.x
    i = cuda.blockIdx.x * cuda.blockDim.x * cuda.blockDim.y + t
    value = x[i]
    shared[t] = value
    cuda.syncthreads()
    if t < 7:
        value += shared[t + 3]
        cuda.syncthreads()
        shared[t] = 2 * value
        cuda.syncthreads()
        value = shared[6 - t]
    for k in range(value % 5):
        if k == 3:
            break
        out[i] += value + k
    if value % 2 == 0:
        marks[i] = t + 1
        return
    marks[i] = -t


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_barrier_that_some_skip_and_what_all_do_after_it(width, block):
    x = np.random.default_rng(0).integers(0, 99, 3 * threads_of(block))
    agrees(some_wait, grid_of(block), block, x, np.zeros_like(x), np.zeros_like(x), width=width)


@cuda.jit
def at_several_places(x, out):
    shared = cuda.shared.array(64, np.int64)
    t = cuda.threadIdx.x + cuda.threadIdx.y * cuda.blockDim.x
    i = cuda.blockIdx.x * cuda.blockDim.x * cuda.blockDim.y + t
    shared[t] = x[i]
    cuda.syncthreads()
    found = 0
    if x[i] % 3 != 0:
        found = shared[0]
        cuda.syncthreads()
        if x[i] % 3 == 1:
            shared[t] += 5
            cuda.syncthreads()
            found += shared[t]
        found *= 10
    while found > 3:
        found //= 2
        out[i] += found
    out[i] += 1000 * found


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("width", WIDTHS)
def test_barriers_one_in_the_other_that_some_skip(width, block):
    x = np.random.default_rng(1).integers(0, 99, 3 * threads_of(block))
    agrees(at_several_places, grid_of(block), block, x, np.zeros_like(x), width=width)


@cuda.jit
def last_steps(x, partials):
    shared = cuda.shared.array((4, 33), np.int64)
    t = cuda.threadIdx.x
    warp, lane = t // 32, t % 32
    row = shared[warp, :]
    row[lane] = x[cuda.grid(1)]
    cuda.syncwarp()
    step = 16
    while step:
        if lane < step:
            row[lane] += row[lane + step]
        cuda.syncwarp()
        step //= 2
    cuda.syncthreads()
    if t < 2:
        shared[t, 0] += shared[t + 2, 0]
        cuda.syncwarp()
    if t == 0:
        partials[cuda.blockIdx.x] = shared[0, 0] + shared[1, 0]


def test_a_warp_of_which_some_skip_its_last_step():
    x = np.random.default_rng(2).integers(0, 99, 3 * 128)
    partials = np.zeros(3, np.int64)
    assert run(last_steps, 3, 128, x, partials).lowering == "lanes"
    np.testing.assert_array_equal(partials, x.reshape(3, 128).sum(1))
    agrees(last_steps, 3, 128, x, np.zeros_like(partials), width=32)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_bools_are_arguments_where_threads_part(width, flag):
    """What numba makes of a bool ended the first block, and room for masks was made behind its end."""

    @cuda.jit
    def steps(x, flag, out):
        i = cuda.grid(1)
        if i < x.size:
            value = x[i]
            while value > 1:
                value = value // 2 if value % 2 == 0 else 3 * value + 1
                out[i] += 1
            if flag:
                out[i] = -out[i]

    @cuda.jit
    def together(x, flag, out):
        shared = cuda.shared.array(32, np.int64)
        t, i = cuda.threadIdx.x, cuda.grid(1)
        if i >= x.size:
            return
        shared[t] = x[i]
        cuda.syncthreads()
        if x[i] % 2 == 0 or flag[1]:
            out[i] = shared[t // 2] + (10 if flag[0] else 20)

    x = np.random.default_rng(3).integers(1, 99, 75)
    agrees(steps, 3, 32, x, flag, np.zeros_like(x), width=width)
    agrees(together, 3, 32, x, (flag, not flag), np.zeros_like(x), width=width)


def line_of(kernel, text):
    """Return where a line with some text stands in a kernel's file."""
    lines, first = inspect.getsourcelines(kernel.py_func)
    return f"{__file__}:{first + next(k for k, line in enumerate(lines) if text in line)}"


@cuda.jit
def crossed(x, out):
    i = cuda.threadIdx.x
    if x[i] > 0:
        out[i] = 1
        cuda.syncthreads()  # at one
    else:
        cuda.syncthreads()
    out[i] += out[(i + 1) % 32]


@cuda.jit
def turns_apart(x, out):
    i = cuda.threadIdx.x
    for k in range(x[i]):
        cuda.syncthreads()  # in a loop
        out[(i + k) % 32] += 1
    cuda.syncthreads()


@cuda.jit
def kept_large(x, out):
    i = cuda.threadIdx.x
    mine = cuda.local.array(100, np.float64)  # large
    mine[x[i]] = i
    cuda.syncthreads()
    out[i] = mine[x[i]]


@cuda.jit
def as_a_whole(x, out):
    i = cuda.threadIdx.x
    mine = cuda.local.array(4, np.float64)
    for k in range(4):
        mine[k] = x[i] + k
    out[i] = mine[1:].size  # a view


@pytest.mark.parametrize(
    ("kernel", "why", "text"),
    [
        (crossed, "threads may part before a barrier", "# at one"),
        (turns_apart, "threads may part before a barrier", "# in a loop"),
        (kept_large, "each thread has 800 bytes of arrays that it needs on both sides of a barrier", "# large"),
        (as_a_whole, "each thread has an array of its own (cuda.local.array), and uses it as a whole", "# a view"),
    ],
)
def test_the_reason_tells_where_lanes_end(kernel, why, text):
    special = simt.Kernel(kernel).specialize((np.arange(32), np.zeros(32)))
    assert special.lowering != "lanes"
    assert f"since {why}: {line_of(kernel, text)}\n" in special.explain()


def test_the_reason_tells_what_waits_in_recursion_or_for_the_grid():
    @cuda.jit(device=True)
    def sinking(n):
        cuda.syncthreads()
        return n if n < 1 else sinking(n - 1)

    @cuda.jit
    def diving(out):
        cuda.syncthreads()
        out[0] = sinking(3)

    @cuda.jit
    def everywhere(out):
        cuda.syncthreads()
        cuda.cg.this_grid().sync()

    choice = simt.Kernel(diving).choice
    place = line_of(sinking, "syncthreads")
    why = f"threads wait for one another in sinking, which calls itself: cuda.syncthreads at {place}"
    assert (choice.lowering, choice.why) == ("fibers", why)
    choice = simt.Kernel(everywhere).choice
    why = f"all threads of the grid wait for one another: cuda.cg.this_grid at {line_of(everywhere, 'this_grid')}"
    assert (choice.lowering, choice.why) == ("fibers", why)
    assert "checked one thread at a time" in simt.Kernel(crossed, options={"debug": True}).choice.why
