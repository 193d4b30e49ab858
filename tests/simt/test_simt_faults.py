"""What threads raise, and how endless loops end."""

import threading

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import BarrierDivergence, InvalidLaunch, KernelCompileError, KernelFault, LaunchCancelled
from rkruntime.simt import _state


def line_in(kernel, text):
    """Return the number of the line of a kernel that holds `text`."""
    import inspect

    lines, first = inspect.getsourcelines(kernel.py_func)
    return first + next(k for k, line in enumerate(lines) if text in line)


@cuda.jit
def divide(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] // y[i]


@cuda.jit
def remainder(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] % y[i]


@cuda.jit(device=True)
def half(x, y):
    return x // y


@cuda.jit
def divide_elsewhere(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = half(x[i], y[i])


@pytest.mark.parametrize(
    ("kernel", "where"), [(divide, divide), (remainder, remainder), (divide_elsewhere, half)], ids=["//", "%", "device"]
)
def test_integer_division_by_zero_names_line_block_and_thread(kernel, where):
    x, y = np.arange(100), np.ones(100, np.int64)
    y[70] = 0
    with pytest.raises(KernelFault) as caught:
        run(kernel, 4, 32, x, y, np.zeros(100, np.int64))
    fault = caught.value
    assert (fault.block, fault.thread) == ((2, 0, 0), (6, 0, 0))
    assert fault.line == line_in(where, "x[i] " if where is kernel else "x // y")
    assert fault.file == __file__
    assert "zero" in fault.what
    assert isinstance(fault.__cause__, ZeroDivisionError)


def test_dividing_real_numbers_by_zero_gives_infinity_unless_in_debug_mode():
    out = np.zeros(1)
    run(true_division, 1, 1, np.ones(1), np.zeros(1), out)
    assert out[0] == np.inf
    with pytest.raises(KernelFault, match="division by zero"):
        run(true_division, 1, 1, np.ones(1), np.zeros(1), out, debug=True)


@cuda.jit
def true_division(x, y, out):
    out[0] = x[0] / y[0]


class TooHot(Exception):
    pass


@cuda.jit
def raising(limit, x):
    i, j = cuda.grid(2)
    if x[j, i] > limit:
        raise TooHot("above the limit")


@cuda.jit
def asserting(limit, x):
    i, j = cuda.grid(2)
    assert x[j, i] <= limit, "hot"


@pytest.mark.parametrize(("kernel", "text"), [(raising, "raise "), (asserting, "assert ")], ids=["raise", "assert"])
def test_a_kernels_own_errors(kernel, text):
    x = np.zeros((6, 8))
    x[4, 5] = 2.0
    with pytest.raises(KernelFault) as caught:
        run(kernel, (2, 3), (4, 2), 1.0, x)
    fault = caught.value
    assert (fault.block, fault.thread) == ((1, 2, 0), (1, 0, 0))
    assert fault.line == line_in(kernel, text)
    assert "hot" in fault.what or "TooHot: above the limit" in fault.what


@cuda.jit
def beyond(x, out):
    i = cuda.grid(1)
    out[i] = x[i + 3, 1]


CHECKING = pytest.mark.parametrize("options", [{"debug": True}, {"check_bounds": True}], ids=["debug", "check_bounds"])


@CHECKING
def test_checks_name_index_and_shape(options):
    with pytest.raises(KernelFault) as caught:
        run(beyond, 1, 8, np.zeros((10, 2)), np.zeros(8), **options)
    fault = caught.value
    assert (fault.thread, fault.line) == ((7, 0, 0), line_in(beyond, "x[i + 3"))
    assert "index 10" in fault.what
    assert "axis 0" in fault.what
    assert "10" in fault.what


@cuda.jit(device=True)
def count(x, i):
    cuda.atomic.add(x, i, 1)


@cuda.jit
def atomic_on_a_name(x):
    count(x, cuda.grid(1))


@cuda.jit
def atomic_on_a_view(x):
    cuda.atomic.max(x[2:], cuda.grid(1), 1)


@cuda.jit
def atomic_at_a_constant(x):
    if cuda.grid(1) == 4:
        cuda.atomic.exch(x, 4, 1)


@cuda.jit
def atomic_in_shared_memory(x):
    seen = cuda.shared.array(4, np.int64)
    cuda.atomic.cas(seen, cuda.threadIdx.x, 0, 1)
    cuda.syncthreads()
    x[0] = seen[0]


@cuda.jit
def atomic_on_a_field(x):
    cuda.atomic.add(x["count"], cuda.grid(1), 1)


@cuda.jit
def atomic_on_a_part(x):
    cuda.atomic.add(x.real, cuda.grid(1), 1.0)


@cuda.jit
def subscript_of_four(x):
    x[0, cuda.grid(1), 0, 0] += 1


@cuda.jit
def atomic_at_four(x):
    cuda.atomic.add(x, (0, cuda.grid(1), 0, 0), 1)


ONE_TOO_FEW = {  # kernel: its array, which has no place for the last of 5 threads
    atomic_on_a_name: np.zeros(5)[:4],
    atomic_on_a_view: np.zeros(7)[:6],
    atomic_at_a_constant: np.zeros(5)[:4],
    atomic_in_shared_memory: np.zeros(5)[:4],
    atomic_on_a_field: np.zeros(5, [("count", np.int32)])[:4],
    atomic_on_a_part: np.zeros(5, np.complex128)[:4],
    subscript_of_four: np.zeros((1, 5, 1, 1))[:, :4],
    atomic_at_four: np.zeros((1, 5, 1, 1))[:, :4],
}


@CHECKING
@pytest.mark.parametrize("kernel", ONE_TOO_FEW, ids=[one.py_func.__name__ for one in ONE_TOO_FEW])
def test_checks_are_of_atomics_and_any_number_of_axes_too(kernel, options):
    x = ONE_TOO_FEW[kernel]
    with pytest.raises(KernelFault, match=r"index 4 is out of bounds for axis ., which has size 4") as caught:
        run(kernel, 1, 5, x, **options)
    assert caught.value.thread == (4, 0, 0)
    assert not x.base.ravel()[-1:].tobytes().strip(b"\0")  # nothing is written beyond its end
    run(kernel, 1, 4, x, **options)


@cuda.jit
def two_barriers(out):
    i = cuda.grid(1)
    if i % 8 < 5:
        cuda.syncthreads()
    else:
        out[i] = cuda.syncthreads_count(1)  # the second
    cuda.syncthreads()


def test_debug_mode_names_both_barriers_that_threads_wait_at():
    with pytest.raises(BarrierDivergence) as caught:
        run(two_barriers, 2, 8, np.zeros(16), debug=True)
    fault = caught.value
    assert (fault.block, fault.thread) == ((0, 0, 0), (5, 0, 0))
    assert fault.line == line_in(two_barriers, "# the second")
    assert f"line {line_in(two_barriers, 'cuda.syncthreads()')}" in fault.what


@cuda.jit
def one_barrier(out):
    i = cuda.threadIdx.x
    for turn in range(3):
        if i == turn:
            return
        out[i] += cuda.syncthreads_count(i < 6)


def test_debug_mode_lets_threads_return_before_a_barrier():
    out = np.zeros(8)
    run(one_barrier, 1, 8, out, debug=True)
    np.testing.assert_array_equal(out, [0, 5, 9, 12, 12, 12, 12, 12])


@cuda.jit
def counting_down(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[-1 - i]


@CHECKING
def test_checks_let_negative_indices_through(options):
    out = np.zeros(5)
    run(counting_down, 1, 8, np.arange(5.0), out, **options)
    assert out.tolist() == [4, 3, 2, 1, 0]


@cuda.jit
def within_guards(x, out):
    i, j = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and j >= 2 and j < x.shape[1]:
        out[i, j] = x[i, j] / x[0, 0]


@CHECKING
def test_a_fault_behind_a_guard_names_its_own_thread(options):
    x = np.ones((10, 12))
    with pytest.raises(KernelFault, match="index 9 is out of bounds for axis 1, which has size 9") as caught:
        run(within_guards, (5, 3), (2, 4), x, np.zeros((10, 9)), **options)
    assert (caught.value.block, caught.value.thread) == ((0, 2, 0), (1, 1, 0))
    assert caught.value.line == line_in(within_guards, "out[i, j]")


@cuda.jit
def in_shared_memory_between_barriers(x, out):
    tile = cuda.shared.array(8, np.float64)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncthreads()
    out[i] = tile[(i + 1) % 10]


@CHECKING
def test_shared_memory_of_blocks_that_wait_is_checked(options):
    with pytest.raises(KernelFault, match="index 8 is out of bounds for axis 0, which has size 8") as caught:
        run(in_shared_memory_between_barriers, 1, 8, np.ones(8), np.zeros(8), **options)
    assert caught.value.thread == (7, 0, 0)


def test_checking_bounds_alone_changes_no_division():
    out = np.zeros(1)
    run(true_division, 1, 1, np.ones(1), np.zeros(1), out, check_bounds=True)
    assert out[0] == np.inf


@cuda.jit
def endless(flag):
    while True:
        if flag[0] < 0:
            flag[1] = 1


@cuda.jit
def nearly_endless(n, out):
    total = 0
    for i in range(n):
        total ^= i * total + 1
    out[0] = total


@cuda.jit(device=True)
def spin(n):
    total = 0
    for i in range(n):
        for j in range(n):
            total ^= i * j + total
    return total


@cuda.jit
def endless_in_a_device_function(n, out):
    out[0] = spin(n)


@pytest.mark.parametrize(
    ("kernel", "args"),
    [
        (endless, (np.zeros(2, np.int64),)),
        (nearly_endless, (1 << 60, np.zeros(1, np.int64))),
        (endless_in_a_device_function, (1 << 50, np.zeros(1, np.int64))),
    ],
    ids=["while", "for", "device"],
)
def test_endless_loops_end_when_cancelled(kernel, args):
    special = simt.Kernel(kernel).specialize(args)
    state, control = np.zeros(_state.STATE_WORDS, np.int64), np.zeros(_state.CONTROL_WORDS, np.int64)
    state[_state.CONTROL] = control.ctypes.data
    control[_state.TOTAL] = control[_state.CHUNK] = 1
    raised: list[BaseException] = []

    def work() -> None:
        try:
            special.drive(control.ctypes.data, state.ctypes.data, (1, 1, 1), (1, 1, 1), 0, args)
        except Exception as error:
            raised.append(special.fault(error, state))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while control[_state.NEXT] == 0:  # until it has taken its block
        pass
    assert thread.is_alive()
    control[_state.CANCEL] = 1
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert [type(one) for one in raised] == [LaunchCancelled]


def test_workers_serve_on_after_a_fault():
    x, y, out = np.arange(100), np.zeros(100, np.int64), np.zeros(100, np.int64)
    special = simt.Kernel(divide).specialize((x, y, out))
    workers = simt.Workers(2)
    try:
        with pytest.raises(KernelFault):
            simt.run(special, 4, 32, (x, y, out), workers=workers)
        y[:] = 2
        simt.run(special, 4, 32, (x, y, out), workers=workers)
    finally:
        workers.close()
    np.testing.assert_array_equal(out, x // 2)


@cuda.jit
def misspelt(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i].nonsense


@cuda.jit
def undefined(out):
    out[0] = no_such_name  # noqa: F821


@pytest.mark.parametrize(("kernel", "count"), [(misspelt, 2), (undefined, 1)], ids=["attribute", "name"])
def test_what_does_not_type_is_named_with_its_line(kernel, count):
    args = tuple(np.zeros(3) for _ in range(count))
    with pytest.raises(KernelCompileError) as caught:
        run(kernel, 1, 1, *args)
    error = caught.value
    assert error.line == line_in(kernel, "no")
    assert (error.file, error.kernel) == (__file__, kernel.py_func.__name__)
    assert "array(float64, 1d, C)" in error.signature
    assert "site-packages" not in error.detail
    assert len(error.detail.splitlines()) < 40


@pytest.mark.parametrize(
    ("grid", "block", "shared", "what"),
    [
        (0, 32, 0, "grid"),
        (1, 0, 0, "block"),
        (1, 2048, 0, "block"),
        (1, (32, 33), 0, "block"),
        ((1, 70000), 1, 0, "grid"),
        (1, (1, 1, 65), 0, "block"),
        (1, 1, 1 << 20, "shared_bytes"),
        (1, 1, -1, "shared_bytes"),
        ((1, 1, 1, 1), 1, 0, "grid"),
    ],
)
def test_launches_beyond_the_limits(grid, block, shared, what):
    args = (np.ones(1), np.ones(1), np.ones(1))
    special = simt.Kernel(true_division).specialize(args)
    with pytest.raises(InvalidLaunch) as caught:
        simt.run(special, grid, block, args, shared)
    assert caught.value.what == what


@cuda.jit
def divides(x, out):
    out[0] = x[0] / x[1]


@pytest.mark.parametrize("fastmath", [False, True])
def test_a_quotient_by_zero_is_a_fault_in_debug_mode_unless_math_is_fast(fastmath: bool) -> None:
    x, out = np.array([1.0, 0.0]), np.zeros(1)
    if fastmath:
        run(divides, 1, 1, x, out, debug=True, fastmath=True)
        assert np.isinf(out[0])
        return
    with pytest.raises(KernelFault, match="zero"):
        run(divides, 1, 1, x, out, debug=True)
