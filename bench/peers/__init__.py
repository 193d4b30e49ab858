"""Other compilers of GPU-style kernels for this CPU, each with the table's kernels in its own language.

Each module has `NAMES`, the peers that it stands for, and `prepare(name, key, data)`, which returns a call that runs
the kernel of that key once and waits, and one that returns its result. `Missing` says why a peer is not there.
"""

from peers._missing import Missing as Missing

__all__ = ("Missing",)
