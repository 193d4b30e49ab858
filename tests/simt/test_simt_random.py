"""Random numbers in loops: the generator's state is held there, and numbers and states are as without a loop.

The reference draws the same numbers with numba-cuda's own functions in a kernel without loops, a launch for each turn.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numba import cuda, float32
from numba.cuda.random import (
    init_xoroshiro128p_states_cpu,
    xoroshiro128p_dtype,
    xoroshiro128p_next,
    xoroshiro128p_normal_float32,
    xoroshiro128p_normal_float64,
    xoroshiro128p_uniform_float32,
    xoroshiro128p_uniform_float64,
)
from simt_launching import run

from rkruntime import simt

pytestmark = pytest.mark.usefixtures("untraced")

THREADS, TURNS = 48, 7
DRAWS = {
    xoroshiro128p_next: "u8",
    xoroshiro128p_uniform_float32: "f4",
    xoroshiro128p_uniform_float64: "f8",
    xoroshiro128p_normal_float32: "f4",
    xoroshiro128p_normal_float64: "f8",
}
WAYS = (("loop", None), ("lanes", 8), ("lanes", 16), ("fibers", None))


def new_states(count: int = THREADS) -> Any:
    states = np.zeros(count, xoroshiro128p_dtype)
    init_xoroshiro128p_states_cpu(states, 42, 0)
    return states


@cache
def drawn(draw: Any, turns: int = TURNS) -> tuple[Any, Any]:
    """Return what each thread draws in each turn, and the states before each turn and after the last.

    They are drawn by numba-cuda's own functions.
    """

    @cuda.jit
    def once(states, out):
        i = cuda.grid(1)
        out[i] = draw(states, i)

    states, out, before = new_states(), np.zeros((turns, THREADS), DRAWS[draw]), []
    for turn in range(turns):
        before.append(states.copy())
        special = run(once, 3, 16, states, out[turn], lowering="loop")
    assert "_rk_generator" not in special.explain()
    return out.T, np.array([*before, states])


@pytest.mark.parametrize("draw", DRAWS, ids=lambda one: one.py_func.__name__.removeprefix("xoroshiro128p_"))
@pytest.mark.parametrize(("lowering", "width"), WAYS)
def test_numbers_and_states_are_numba_cudas(draw, lowering, width):
    @cuda.jit
    def many(states, out):
        i = cuda.grid(1)
        for turn in range(out.shape[1]):
            out[i, turn] = draw(states, i)

    wanted, states_then = drawn(draw)
    states, out = new_states(), np.zeros_like(wanted)
    special = run(many, 3, 16, states, out, lowering=lowering, width=width)
    assert "_rk_generator_0" in special.explain()
    np.testing.assert_array_equal(states, states_then[TURNS])
    if "normal" in draw.py_func.__name__:  # functions of vectors are within some units in the last place
        np.testing.assert_allclose(out, wanted, rtol=1e-5 if out.dtype == np.float32 else 1e-12, atol=1e-6)
    else:
        np.testing.assert_array_equal(out, wanted)


@cuda.jit(device=True)
def first_below(states, bound, most):
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    for turn in range(most):
        if xoroshiro128p_uniform_float32(states, i) < bound:
            return turn + xoroshiro128p_uniform_float32(states, i)
    return -xoroshiro128p_uniform_float32(states, i)


@cuda.jit
def returning(states, out):
    out[cuda.grid(1)] = first_below(states, float32(0.3), 4)


def returning_reference(numbers, out):
    used = np.zeros(THREADS, int)
    for i, row in enumerate(numbers):
        below = np.flatnonzero(row[:4] < np.float32(0.3))
        used[i] = below[0] + 2 if below.size else 5
        out[i] = below[0] + row[used[i] - 1] if below.size else -row[4]
    return used


@cuda.jit
def breaking(states, out):
    i = cuda.grid(1)
    total = float32(0)
    while xoroshiro128p_uniform_float32(states, i) < float32(0.8):
        more = xoroshiro128p_uniform_float32(states, i)
        if more > float32(0.7):
            break
        total += more
    else:
        total += xoroshiro128p_uniform_float32(states, i)
    out[i] = total


def breaking_reference(numbers, out):
    used = np.zeros(THREADS, int)
    for i, row in enumerate(numbers):
        draws, total = iter(row), np.float32(0)
        while next(draws) < np.float32(0.8):
            used[i] += 2
            more = next(draws)
            if more > np.float32(0.7):
                break
            total += more
        else:
            used[i] += 2
            total += next(draws)
        out[i] = total
    return used


@cuda.jit
def some(states, out):
    """Draw in threads and turns that data choose; half of the threads have no state."""
    i = cuda.grid(1)
    for turn in range(4 if i % 4 else 0):
        if i < states.size and (i + turn) % 3 == 0:
            out[i] += xoroshiro128p_uniform_float32(states, i)


def some_reference(numbers, out):
    used = np.zeros(THREADS, int)
    for i in range(THREADS // 2):
        used[i] = sum((i + turn) % 3 == 0 for turn in range(4 if i % 4 else 0))
        for k in range(used[i]):
            out[i] += numbers[i, k]
    return used


@cuda.jit
def nested(states, out):
    i = cuda.grid(1)
    for _ in range(2):
        for _ in range(3):
            out[i] += xoroshiro128p_uniform_float32(states, i)
        if states[i]["s0"] == 0:  # the outer loop looks at states, so that the inner one alone holds them
            out[i] = 0


def nested_reference(numbers, out):
    for k in range(6):
        out += numbers[:, k]
    return np.full(THREADS, 6)


@pytest.mark.parametrize(("lowering", "width"), WAYS)
@pytest.mark.parametrize(
    ("kernel", "reference", "count"),
    [
        (returning, returning_reference, THREADS),
        (breaking, breaking_reference, THREADS),
        (some, some_reference, THREADS // 2),
        (nested, nested_reference, THREADS),
    ],
    ids=lambda one: getattr(getattr(one, "py_func", None), "__name__", ""),
)
def test_loops_are_left_in_all_ways(kernel, reference, count, lowering, width):
    numbers, states_then = drawn(xoroshiro128p_uniform_float32, turns=40)
    states, out, wanted = new_states(count), np.zeros(THREADS, np.float32), np.zeros(THREADS, np.float32)
    used = reference(numbers, wanted)
    special = run(kernel, 3, 16, states, out, lowering=lowering, width=width)
    assert "_rk_generator_0" in special.explain()
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(states, states_then[used[:count], np.arange(count)])


@cuda.jit
def shared_state(states, out):
    i = cuda.grid(1)
    for _ in range(3):
        out[i] += xoroshiro128p_uniform_float32(states, i % 4)


@cuda.jit
def of_the_block(states, out):
    i = cuda.blockIdx.x
    for _ in range(3):
        if cuda.threadIdx.x == 0:
            out[i] += xoroshiro128p_uniform_float32(states, i)


@cuda.jit
def looked_at(states, out):
    i = cuda.grid(1)
    for _ in range(3):
        out[i] += xoroshiro128p_uniform_float32(states, i) + states[i]["s0"]


@cuda.jit
def of_two(states, others, out):
    i = cuda.grid(1)
    for _ in range(3):
        out[i] += xoroshiro128p_uniform_float32(states, i) + xoroshiro128p_uniform_float32(others, i)


@cuda.jit
def moving(states, out):
    i = cuda.grid(1)
    for _ in range(3):
        out[i % 4] += xoroshiro128p_uniform_float32(states, i)
        i += 1


@pytest.mark.parametrize("kernel", [shared_state, of_the_block, looked_at, of_two, moving])
def test_states_that_others_may_see_stay_in_memory(kernel):
    states = [new_states() for name in kernel.py_func.__code__.co_varnames if name in ("states", "others")]
    assert "_rk_generator" not in simt.Kernel(kernel).specialize([*states, np.zeros(THREADS)]).explain()


@cuda.jit(device=True)
def symmetric(states, i):
    return 2 * xoroshiro128p_uniform_float32(states, i) - 1


@cuda.jit(device=True)
def in_circle(scale, place, states):
    """Draw until a point lies in the circle; return how far it is from the centre."""
    while True:
        x, y = symmetric(states, place), symmetric(states, place)
        if x * x + y * y < 1:
            return scale * (x * x + y * y)


@cuda.jit
def by_functions(states, out):
    i = cuda.grid(1)
    for _ in range(2):
        out[i] += in_circle(float32(3), i, states) + symmetric(states, i)


def by_functions_reference(numbers, out):
    used = np.zeros(THREADS, int)
    for i, row in enumerate(2 * numbers - 1):
        for _ in range(2):
            while True:
                x, y = row[used[i]], row[used[i] + 1]
                used[i] += 2
                if x * x + y * y < 1:
                    break
            out[i] += np.float32(3) * (x * x + y * y) + row[used[i]]
            used[i] += 1
    return used


@pytest.mark.parametrize(("lowering", "width"), WAYS)
def test_device_functions_draw_from_what_is_held(lowering, width):
    numbers, states_then = drawn(xoroshiro128p_uniform_float32, turns=40)
    states, out, wanted = new_states(), np.zeros(THREADS, np.float32), np.zeros(THREADS, np.float32)
    used = by_functions_reference(numbers, wanted)
    special = run(by_functions, 3, 16, states, out, lowering=lowering, width=width)
    assert "states[i]['s0'] = _rk_generator_0[0]" in special.explain()
    assert special.explain().count("['s0']") == 2
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    np.testing.assert_array_equal(states, states_then[used, np.arange(THREADS)])


@cuda.jit(device=True)
def looking(states, i):
    return xoroshiro128p_uniform_float32(states, i) + states[i]["s0"]


@cuda.jit(device=True)
def asking(states, i):
    return xoroshiro128p_uniform_float32(states, i) + states.size


@cuda.jit(device=True)
def of_the_next(states, i):
    return xoroshiro128p_uniform_float32(states, i + 1)


@cuda.jit(device=True)
def again(states, i):
    if xoroshiro128p_uniform_float32(states, i) < 0.5:
        return again(states, i)
    return 1.0


@pytest.mark.parametrize("function", [looking, asking, of_the_next, again])
def test_device_functions_that_do_more_draw_from_memory(function):
    @cuda.jit
    def kernel(states, out):
        i = cuda.grid(1)
        for _ in range(3):
            out[i] += function(states, i)

    assert "_rk_generator" not in simt.Kernel(kernel).specialize((new_states(), np.zeros(THREADS))).explain()


@cuda.jit
def walk(states, out):
    i = cuda.grid(1)
    if i < out.size:
        for _ in range(100):
            out[i] += xoroshiro128p_normal_float32(states, i)


@cuda.jit
def field(states, out):
    x, y = cuda.grid(2)
    width, height = cuda.gridsize(2)
    place = y * width + x
    for j in range(y, out.shape[0], height):
        for i in range(x, out.shape[0] // 2, width):
            out[i + j] = xoroshiro128p_uniform_float32(states, place)


@cuda.jit
def until(states, out):
    i = cuda.grid(1)
    for turn in range(100):
        if xoroshiro128p_uniform_float32(states, i) > 0.9:
            out[i] = turn
            return


@cuda.jit(device=True)
def first_word(states, i):
    if i > 3:
        return states[i]["s0"]
    return states[0]["s1"]


@cuda.jit
def looked_at_elsewhere(states, out):
    i = cuda.grid(1)
    for _ in range(3):
        out[i] += first_word(states, i)


@pytest.mark.parametrize(
    ("kernel", "lowering"),
    [(one, "lanes") for one in (walk, field, until, by_functions)]
    + [(one, "loop") for one in (looked_at, looked_at_elsewhere)],
)
def test_lanes_are_chosen_for_loops_that_hold_their_states_alone(kernel, lowering):
    assert simt.Kernel(kernel).specialize((new_states(), np.zeros(THREADS, np.float32))).lowering == lowering
