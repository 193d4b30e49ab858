"""Which object of numba.cuda is which of our functions: a table, and what one needs to know to choose a lowering.

Objects, not names: `from numba.cuda import grid as g` is the same feature as `cuda.grid`. Building the table imports
numba-cuda, so it is built on first use.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

__all__ = ("AXES", "Category", "Feature", "Unsupported", "feature_of", "features_by_id", "needs_fibers")

AXES = ("x", "y", "z")


class Category(Enum):
    """What kind of thing a feature is."""

    INDEX = "index"
    BARRIER = "barrier"
    SHARED = "shared"
    WARP = "warp"
    ATOMIC = "atomic"
    LOCAL = "local"
    MATH = "math"
    FENCE = "fence"
    GRID = "grid"


@attrs.frozen
class Feature:
    """One object of numba.cuda.

    Args:
        name: The function of `_stubs` that stands for it.
        category: What it is.
        spelling: What people call it, such as `cuda.syncthreads`.
        parameters: Names of what it is called with; an entry `name=value` has that default. None: it is no function.
        form: How to rewrite it: `call`, `value` (used without a call), `constant` (32), `extent` (has x, y, z),
            `grid` (the number of dimensions is part of the name), `array` (shape and dtype), `site` (a call that gets a
            number of its own).
        takes_ctx: Whether the stub's first parameter is the context.
    """

    name: str
    category: Category
    spelling: str
    parameters: tuple[str, ...] | None = None
    form: str = "call"
    takes_ctx: bool = True


@attrs.frozen
class Unsupported:
    """An object of numba.cuda that kernels may use on CUDA and not here, with a way round."""

    spelling: str
    mend: str


FIBERS = frozenset({Category.BARRIER, Category.SHARED, Category.WARP, Category.GRID})


def needs_fibers(categories: frozenset[Category]) -> bool:
    """Whether a kernel with these features needs a stack for each thread."""
    return not FIBERS.isdisjoint(categories)


_C = Category
_ELEMENT = ("array", "index", "value")
# path below numba.cuda: (stub, category, parameters, form, takes ctx)
_TABLE: Mapping[str, tuple[str, Category, tuple[str, ...] | None, str, bool]] = {
    "threadIdx": ("thread_idx", _C.INDEX, None, "extent", True),
    "blockIdx": ("block_idx", _C.INDEX, None, "extent", True),
    "blockDim": ("block_dim", _C.INDEX, None, "extent", True),
    "gridDim": ("grid_dim", _C.INDEX, None, "extent", True),
    "grid": ("grid", _C.INDEX, ("ndim",), "grid", True),
    "gridsize": ("gridsize", _C.INDEX, ("ndim",), "grid", True),
    "warpsize": ("warpsize", _C.INDEX, None, "constant", False),
    "laneid": ("laneid", _C.INDEX, None, "value", True),
    "lanemask_lt": ("lanemask_lt", _C.INDEX, (), "call", True),
    "nanosleep": ("nanosleep", _C.INDEX, ("ns",), "call", True),
    "syncthreads": ("syncthreads", _C.BARRIER, (), "call", True),
    "syncthreads_count": ("syncthreads_count", _C.BARRIER, ("predicate",), "call", True),
    "syncthreads_and": ("syncthreads_and", _C.BARRIER, ("predicate",), "call", True),
    "syncthreads_or": ("syncthreads_or", _C.BARRIER, ("predicate",), "call", True),
    "shared.array": ("shared_array", _C.SHARED, ("shape", "dtype", "alignment=None"), "array", True),
    "local.array": ("local_array", _C.LOCAL, ("shape", "dtype", "alignment=None"), "array", False),
    "const.array_like": ("const_array_like", _C.LOCAL, ("array",), "call", False),
    "syncwarp": ("syncwarp", _C.WARP, ("mask=0xFFFFFFFF",), "call", True),
    "shfl_sync": ("shfl_sync", _C.WARP, ("mask", "value", "src_lane"), "call", True),
    "shfl_up_sync": ("shfl_up_sync", _C.WARP, ("mask", "value", "delta"), "call", True),
    "shfl_down_sync": ("shfl_down_sync", _C.WARP, ("mask", "value", "delta"), "call", True),
    "shfl_xor_sync": ("shfl_xor_sync", _C.WARP, ("mask", "value", "lane_mask"), "call", True),
    "all_sync": ("all_sync", _C.WARP, ("mask", "predicate"), "call", True),
    "any_sync": ("any_sync", _C.WARP, ("mask", "predicate"), "call", True),
    "eq_sync": ("eq_sync", _C.WARP, ("mask", "predicate"), "call", True),
    "ballot_sync": ("ballot_sync", _C.WARP, ("mask", "predicate"), "call", True),
    "match_any_sync": ("match_any_sync", _C.WARP, ("mask", "value"), "call", True),
    "match_all_sync": ("match_all_sync", _C.WARP, ("mask", "value"), "call", True),
    "activemask": ("activemask", _C.WARP, (), "site", True),
    "cg.this_grid": ("this_grid", _C.GRID, (), "call", True),
    "threadfence": ("fence", _C.FENCE, (), "call", False),
    "threadfence_block": ("fence", _C.FENCE, (), "call", False),
    "threadfence_system": ("fence", _C.FENCE, (), "call", False),
    "atomic.add": ("atomic_add", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.sub": ("atomic_sub", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.and_": ("atomic_and", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.or_": ("atomic_or", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.xor": ("atomic_xor", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.inc": ("atomic_inc", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.dec": ("atomic_dec", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.exch": ("atomic_exch", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.max": ("atomic_max", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.min": ("atomic_min", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.nanmax": ("atomic_nanmax", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.nanmin": ("atomic_nanmin", _C.ATOMIC, _ELEMENT, "call", False),
    "atomic.cas": ("atomic_cas", _C.ATOMIC, ("array", "index", "old", "value"), "call", False),
    "atomic.compare_and_swap": ("atomic_compare_and_swap", _C.ATOMIC, ("array", "old", "value"), "call", False),
    "popc": ("popc", _C.MATH, ("x",), "call", False),
    "brev": ("brev", _C.MATH, ("x",), "call", False),
    "clz": ("clz", _C.MATH, ("x",), "call", False),
    "ffs": ("ffs", _C.MATH, ("x",), "call", False),
    "selp": ("selp", _C.MATH, ("test", "a", "b"), "call", False),
    "fma": ("fma", _C.MATH, ("a", "b", "c"), "call", False),
    "cbrt": ("cbrt", _C.MATH, ("x",), "call", False),
    **dict.fromkeys(("ldca", "ldcg", "ldcs", "ldlu"), ("load_cached", _C.MATH, ("array", "index"), "call", False)),
    "ldcv": ("load_cached", _C.MATH, ("array", "index"), "call", False),
    **dict.fromkeys(("stcg", "stcs", "stwb", "stwt"), ("store_cached", _C.MATH, _ELEMENT, "call", False)),
}


def _object_at(path: str) -> Any:
    """Return the object of numba.cuda at a dotted path, or None where this version has none."""
    from numba import cuda

    found: Any = cuda
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


@functools.cache
def features_by_id() -> Mapping[int, tuple[Any, Feature | Unsupported]]:
    """Return the table, keyed by `id` and holding the objects, some of which cannot be hashed."""
    known: dict[int, tuple[Any, Feature | Unsupported]] = {}
    for path, (name, category, parameters, form, takes_ctx) in _TABLE.items():
        found = _object_at(path)
        if found is not None:
            known[id(found)] = (found, Feature(name, category, f"cuda.{path}", parameters, form, takes_ctx))
    return known


def feature_of(found: object) -> Feature | Unsupported | None:
    """Return what an object of numba.cuda means in a kernel, or None if it is none of its features."""
    known = features_by_id().get(id(found))
    return None if known is None else known[1]
