"""One kernel with its launch."""

from collections import namedtuple

import numpy as np

Case = namedtuple(
    "Case",
    "kernel grid block args ulps shared instead why besides ways",
    defaults=(0, 0, None, "", None, ("lanes", "fibers")),
)
Case.__doc__ = """One kernel with its launch.

Args:
    kernel: What `cuda.jit` returned.
    grid, block: Extents.
    args: Its arguments; arrays are copied for each run.
    ulps: How many units in the last place of their type floats may be apart.
    shared: Bytes of dynamic shared memory.
    instead: Where the simulator cannot run it: a function of the same arguments that does what CUDA's guide says.
    why: What the simulator lacks, or does wrong.
    besides: A function of the same arguments that has to do the same as the simulator.
    ways: What to run it as: as `lanes`, or as a `loop` where these do not apply; on `fibers`; as a `loop` in any case.
"""


def name_of(case):
    """Return the kernel's name; the simulator's kernels keep the function elsewhere."""
    return (getattr(case.kernel, "py_func", None) or case.kernel.fn).__name__


def copied(args):
    """Return arguments for one run: arrays in the order that they have."""
    return [one.copy(order="K") if is_written(one) else one for one in args]


def arrays_of(args):
    """Return the arrays that a kernel may have written to."""
    return [one for one in args if is_written(one)]


def is_written(one):
    """Whether an argument is an array that may be written to."""
    return isinstance(one, np.ndarray) and one.flags.writeable
