"""Arrays that kernels allocate are freed, whatever the lowering; numba's runtime counts. Arguments are not theirs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from llvmlite import ir
from numba import cuda, types
from numba.core.runtime import _nrt_python, rtsys
from numba.extending import intrinsic
from simt_launching import run

from rkruntime.simt.lanes import LanesRefused

counting: Any = _nrt_python
BLOCK = 32


@cuda.jit
def allocate_in_a_loop(x, out):
    i = cuda.grid(1)
    for k in range(3):
        part = np.zeros(x.size)
        part[k] = x[i]
        out[i] += part.sum()


@cuda.jit(device=True)
def doubled(x):
    return x + x


@cuda.jit
def allocate_in_a_device_function(x, out):
    i = cuda.grid(1)
    if i % 2:
        out[i] = doubled(x)[i]


@cuda.jit
def allocate_beside_a_barrier(x, out):
    i = cuda.grid(1)
    held = cuda.shared.array(BLOCK, np.float64)
    own = x.copy()
    held[i] = own[i]
    cuda.syncthreads()
    out[i] = held[BLOCK - 1 - i] + own[0]


x = np.arange(BLOCK) + 1.0
KERNELS: dict[Any, Any] = {
    allocate_in_a_loop: 3 * x,
    allocate_in_a_device_function: np.where(np.arange(BLOCK) % 2, 2 * x, 0),
    allocate_beside_a_barrier: x[::-1] + 1,
}


@pytest.fixture
def counts() -> Iterator[None]:
    counting.memsys_enable_stats()
    yield
    counting.memsys_disable_stats()


@pytest.mark.usefixtures("counts")
@pytest.mark.parametrize("lowering", [None, "loop", "fibers"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_what_is_allocated_is_freed(kernel: Any, lowering: str | None) -> None:
    if lowering == "loop" and kernel is allocate_beside_a_barrier:
        lowering = None
    out = np.zeros(BLOCK)
    run(kernel, 1, BLOCK, x, out, lowering=lowering)  # compiles, which allocates too
    before, out = rtsys.get_allocation_stats(), np.zeros(BLOCK)
    special = run(kernel, 1, BLOCK, x, out, lowering=lowering)
    after = rtsys.get_allocation_stats()
    np.testing.assert_array_equal(out, KERNELS[kernel])
    assert after.alloc - before.alloc == after.free - before.free >= BLOCK // 2
    assert special.lowering != "lanes"


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_lanes_say_that_they_do_not_take_it(kernel: Any) -> None:
    with pytest.raises(LanesRefused, match="allocates arrays"):
        run(kernel, 1, BLOCK, x, np.zeros(BLOCK), lowering="lanes")


@intrinsic
def owner_of(typing_context: Any, array: Any) -> Any:
    """Return the address of what counts references to an array; 0 where nothing does."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        held = context.make_array(array)(context, builder, values[0])
        return builder.ptrtoint(held.meminfo, ir.IntType(64))

    return types.int64(array), codegen


@cuda.jit
def tell_owners(x, both, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = owner_of(x) | owner_of(both[0]) | owner_of(both[1]) | owner_of(out)


@pytest.mark.parametrize("lowering", ["loop", "lanes", "fibers"])
def test_threads_count_no_references_to_arguments(lowering: str) -> None:
    out = np.full(BLOCK, -1)
    run(tell_owners, 1, BLOCK, x, (x, x + 1), out, lowering=lowering)
    np.testing.assert_array_equal(out, 0)
