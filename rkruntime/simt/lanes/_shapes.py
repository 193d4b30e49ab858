"""What each variable is among the threads of one vector: the same, neighbouring numbers, or anything.

A dataflow analysis on numba's typed code. A variable's shape is the join of what is assigned to it, and VARYING where
threads may have come by different assignments. Loop counters stay as they are: all threads that still run a loop are in
the same turn of it.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterator, Set
from types import FunctionType
from typing import Any

from numba.core import ir

from rkruntime.simt import _stubs
from rkruntime.simt._numba import types
from rkruntime.simt.lanes._aligned import Aligned
from rkruntime.simt.lanes._flow import Loop, divergent_regions
from rkruntime.simt.lanes._forms import Form as Form
from rkruntime.simt.lanes._forms import Shape as Shape
from rkruntime.simt.lanes._forms import is_uniform as is_uniform
from rkruntime.simt.lanes._forms import join, mixed
from rkruntime.simt.lanes._forms import widest as widest
from rkruntime.simt.lanes._leaving import Leaving

__all__ = (
    "EFFECTS",
    "PLACES",
    "STRIPS",
    "Form",
    "Shape",
    "Shapes",
    "callee_of",
    "is_uniform",
    "operator_of",
    "parts_of",
    "varying",
    "widest",
)


U, ROW, R, V = Shape
_KNOWN: dict[Any, Form] = {
    _stubs.place_x: R,
    _stubs.grid_1: R,
    _stubs.place_y: ROW,
    _stubs.place_z: ROW,
    _stubs.grid_2: (R, ROW),
    _stubs.grid_3: (R, ROW, ROW),
    _stubs.thread_idx_3: (R, ROW, ROW),
    _stubs.laneid: V,
    _stubs.lanemask_lt: V,
    _stubs.syncthreads_count: U,
    _stubs.syncthreads_and: U,
    _stubs.syncthreads_or: U,
    _stubs.syncwarp: U,
    _stubs.activemask: ROW,
    **dict.fromkeys((_stubs.shfl_sync, _stubs.shfl_up_sync, _stubs.shfl_down_sync, _stubs.shfl_xor_sync), V),
    _stubs.match_any_sync: V,
    _stubs.match_all_sync: (V, V),
}
PLACES = frozenset(
    getattr(_stubs, name)
    for name in ("thread_idx", "thread_idx_3", "place_x", "place_y", "place_z", "grid_1", "grid_2", "grid_3")
)
VOTES = (_stubs.all_sync, _stubs.any_sync, _stubs.eq_sync, _stubs.ballot_sync)
OURS = frozenset(one for one in vars(_stubs).values() if isinstance(one, FunctionType))
EFFECTS: frozenset[Any] = frozenset(one for one in OURS if one.__name__.startswith("atomic_"))
CASTS = (types.NumberClass,)
STRIPS = (_stubs.strips, _stubs.strip)


def callee_of(typemap: Any, func: Any) -> Any:
    """Return the function that a call calls: the object itself, a type it casts to, or a dispatcher's type."""
    called = typemap[func.name]
    return getattr(called, "typing_key", called)


def operator_of(expr: Any) -> str:
    """Return the name of an operator's function; `a += b` on numbers is `add`."""
    fn = expr.immutable_fn if expr.op == "inplace_binop" else expr.fn
    return str(fn.__name__)


class Shapes:
    """The shapes of a function's variables, and which of its blocks are divergent.

    Args:
        func_ir: Numba's code, with phis stripped.
        typemap: Types of its variables.
        leaving: Its control flow, and where threads may leave the others.
        aligned: Which variables are a thread's index along a row.
        own: Which are an array of a thread's own.
        apart: Which are taken to differ among vectors.
    """

    def __init__(
        self, func_ir: Any, typemap: Any, leaving: Leaving, aligned: Aligned, own: Set[str], apart: Set[str]
    ) -> None:
        self._typemap = typemap
        self._own = own
        self._aligned = aligned
        self.leaving = leaving
        self.flow = leaving.flow
        self._blocks = func_ir.blocks
        self._assigns = [
            (label, one) for label, block in func_ir.blocks.items() for one in block.body if isinstance(one, ir.Assign)
        ]
        self._defined = self._places((label, one.target.name) for label, one in self._assigns)
        self._used = self._places(self._uses())
        self._carried = {name for name in self._defined if self._is_carried(name)}
        self.forms: dict[str, Form] = {
            name: self._fitting(ROW if name in apart else U, typemap[name]) for name in self._defined
        }
        self.divergent: frozenset[int] = frozenset()
        self.regions: tuple[frozenset[int], ...] = ()
        while self._step() or self._part_ways():
            pass

    def blends(self, label: int, name: str) -> bool:
        """Whether an assignment in a block must keep what threads that are off have."""
        several = len(self._defined[name]) > 1 and name not in self._carried
        return label in self.divergent and (several or self._outlives_loop(name))

    def is_reassigned(self, name: str) -> bool:
        """Whether a variable is assigned at more than one place."""
        return len(self._defined.get(name, ())) > 1

    def is_used(self, name: str) -> bool:
        """Whether anything reads a variable."""
        return bool(self._used.get(name))

    def form(self, name: str) -> Form:
        """Return a variable's form."""
        return self.forms.get(name, U)

    def _places(self, pairs: Any) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for label, name in pairs:
            found.setdefault(name, []).append(label)
        return found

    def _uses(self) -> Iterator[tuple[int, str]]:
        for label, block in self._blocks.items():
            for one in block.body:
                if isinstance(one, ir.Del):
                    continue
                target = one.target.name if isinstance(one, ir.Assign) else None
                for var in one.list_vars():
                    if var.name != target:
                        yield label, var.name

    def _step(self) -> bool:
        """Look at everything once; whether anything was learnt."""
        changed = False
        for label, one in self._assigns:
            name = one.target.name
            new = join(self.forms[name], self._fitting(self.form_of(one.value), self._typemap[name]))
            if self.blends(label, name):
                new = self._fitting(V, self._typemap[name])
            if new != self.forms[name]:
                self.forms[name], changed = new, True
        decided = {
            label: self.form(block.terminator.cond.name)
            for label, block in self._blocks.items()
            if isinstance(block.terminator, ir.Branch)
        }
        one_by_one = ROW if self.leaving.barriers else R  # without barriers, a vector's threads may do so as one
        self.leaving.add(
            {label for label, form in decided.items() if widest(form) >= one_by_one or label in self.divergent}
        )
        branches = {label for label, form in decided.items() if not is_uniform(form)} - self.leaving.branches
        regions = divergent_regions(self.leaving.between, sorted(branches), self.leaving.gone)
        changed = changed or regions != self.regions
        self.regions, self.divergent = regions, frozenset().union(*regions)
        return changed

    def _part_ways(self) -> bool:
        """Give up ramps of variables that are also assigned what is the same for all; whether there were any."""
        changed = False
        for _, one in self._assigns:
            name = one.target.name
            new = mixed(self.forms[name], self._fitting(self.form_of(one.value), self._typemap[name]))
            if new != self.forms[name]:
                self.forms[name], changed = new, True
        return changed

    def _outlives_loop(self, name: str) -> bool:
        """Whether it is assigned in a divergent loop, and used after it."""
        for label in self._defined[name]:
            loop = self.flow.innermost_loop(label)
            around = loop.body if loop is not None and loop.header in self.divergent else None
            if around is not None and any(use not in around for use in self._used.get(name, ())):
                return True
        return False

    def _is_carried(self, name: str) -> bool:
        """Whether a variable is carried from turn to turn of one loop: one assignment before it, one at its end."""
        places = self._defined[name]
        if len(places) != 2:
            return False
        for loop in self.flow.loops.values():
            inside = [label for label in places if label in loop.body]
            if len(inside) == 1 and self._ends_turns(loop, inside[0]):
                return all(use in loop.body for use in self._used.get(name, ()))
        return False

    def _ends_turns(self, loop: Loop, label: int) -> bool:
        return loop.latches == {label} or all(label in self.flow.dominators[latch] for latch in loop.latches)

    def _fitting(self, form: Form, type_: Any) -> Form:
        """Write a shape as it is kept for a type: a tuple has one for each element, and ramps are of integers."""
        parts = parts_of(type_)
        if isinstance(type_, types.Complex):
            return widest(form) if is_uniform(form) else varying(type_)
        if parts is not None:
            given = form if isinstance(form, tuple) and len(form) == len(parts) else (form,) * len(parts)
            return tuple(self._fitting(one, part) for one, part in zip(given, parts, strict=True))
        if isinstance(form, tuple):
            return widest(form) if is_uniform(form) else V
        return V if form is R and not isinstance(type_, types.Integer) else form

    # What expressions are

    def form_of(self, value: Any) -> Form:
        """Return what an expression is."""
        if isinstance(value, ir.Var):
            return self.form(value.name)
        if not isinstance(value, ir.Expr):
            return U
        special = getattr(self, f"_of_{value.op}", None)
        if special is not None:
            return special(value)  # type: ignore[no-any-return]
        return self._all_or_nothing(value)

    def _all_or_nothing(self, value: Any) -> Form:
        shape = max((widest(self.form(var.name)) for var in value.list_vars()), default=U)
        return V if shape is R else shape

    def _of_call(self, value: Any) -> Form:
        callee = callee_of(self._typemap, value.func)
        args = list(value.args)
        if callee in PLACES and not self._aligned.in_rows:
            return V
        if callee is _stubs.thread_idx:
            return R if _literal(self._typemap[args[1].name]) == 0 else ROW
        if callee in STRIPS:
            return self._of_strips(callee, args)
        if callee in VOTES:
            return ROW if is_uniform(self.form(args[1].name)) else V
        if callee is _stubs.laneid and self._aligned.is_warp:
            return R
        if callee in OURS:
            return V if callee in EFFECTS else _KNOWN.get(callee, self._all_or_nothing(value))
        if isinstance(callee, types.Dispatcher):
            return V
        if callee is range:
            given = [self.form(one.name) for one in args]
            return {1: (U, *given, U), 2: (*given, U), 3: tuple(given)}[len(given)]
        called = self._typemap[value.func.name]
        wanted = called.instance_type if isinstance(called, CASTS) else types.int64 if callee is int else None
        if _keeps_ramps(wanted) and len(args) == 1 and isinstance(self._typemap[args[0].name], types.Integer):
            return self.form(args[0].name)
        return self._all_or_nothing(value)

    def _of_strips(self, callee: Any, args: list[Any]) -> Form:
        """Return the form of the range of a strip, or of the strips, of a long loop."""
        *first, _, start, stop, step = (self.form(one.name) for one in args)
        begin = first[0] if first else start
        if any(self._typemap[one.name] == types.uint64 for one in args) or not is_uniform(step):
            return V if not all(is_uniform(one) for one in (begin, stop, step)) else widest((begin, stop, step))
        end = stop if callee is _stubs.strips or is_uniform((begin, stop)) else V
        return (begin, end, step)

    def _of_binop(self, value: Any) -> Form:
        one, other = self.form(value.lhs.name), self.form(value.rhs.name)
        operator = operator_of(value)
        if self._aligned.is_same(operator, value.lhs, value.rhs):
            return ROW
        if self._aligned.still_counts(operator, value.lhs, value.rhs):
            return R
        if operator == "add" and R in (one, other) and is_uniform(min(one, other)):
            return R
        if operator == "sub" and one is R and is_uniform(other):
            return R
        return self._all_or_nothing(value)

    _of_inplace_binop = _of_binop

    def _of_cast(self, value: Any) -> Form:
        return self.form(value.value.name)

    _of_exhaust_iter = _of_cast
    _of_getiter = _of_cast

    def _of_build_tuple(self, value: Any) -> Form:
        return tuple(self.form(item.name) for item in value.items)

    def _of_getitem(self, value: Any) -> Form:
        return V if value.value.name in self._own else self._all_or_nothing(value)

    def _of_static_getitem(self, value: Any) -> Form:
        if value.value.name in self._own:
            return V
        form = self.form(value.value.name)
        if isinstance(form, tuple) and isinstance(value.index, int) and -len(form) <= value.index < len(form):
            return form[value.index]
        return self._all_or_nothing(value)

    def _of_getattr(self, value: Any) -> Form:
        form, type_ = self.form(value.value.name), self._typemap[value.value.name]
        if isinstance(form, tuple) and isinstance(type_, types.Complex):
            return widest(form)
        if isinstance(form, tuple) and isinstance(type_, types.BaseNamedTuple) and value.attr in type_.fields:
            k: int = type_.fields.index(value.attr)
            return form[k]
        return self._all_or_nothing(value)

    def _of_iternext(self, value: Any) -> Form:
        form = self.form(value.value.name)
        if isinstance(form, tuple) and not is_uniform(form):
            start, _, step = form
            return (max(start, ROW), V) if start is not V and is_uniform(step) else (V, V)
        return (widest(form),) * 2

    def _of_pair_first(self, value: Any) -> Form:
        form = self.form(value.value.name)
        return form[0] if isinstance(form, tuple) else form

    def _of_pair_second(self, value: Any) -> Form:
        form = self.form(value.value.name)
        return form[1] if isinstance(form, tuple) else form


def parts_of(type_: Any) -> tuple[Any, ...] | None:
    """Return the types of the parts of a value that is kept in parts, or None."""
    if isinstance(type_, types.BaseTuple):
        return tuple(type_)
    if isinstance(type_, types.RangeType):
        return (type_.dtype,) * 3
    if isinstance(type_, types.RangeIteratorType):  # wider than what it yields: the end may be near the largest
        return (types.uint64 if type_.yield_type == types.uint64 else types.int64,) * 3
    if isinstance(type_, types.Pair):
        return (type_.first_type, type_.second_type)
    if isinstance(type_, types.Complex):
        return (type_.underlying_float,) * 2
    return None


def varying(type_: Any) -> Form:
    """Return the form of numbers of a type that are anything: complex ones are kept in two parts."""
    return (V, V) if isinstance(type_, types.Complex) else V


def _keeps_ramps(wanted: Any) -> bool:
    """Whether neighbours are neighbours as numbers of a type too; they are not where it is small and wraps round."""
    return isinstance(wanted, types.Integer) and wanted.bitwidth >= (32 if wanted.signed else 64)


def _literal(type_: Any) -> Any:
    return getattr(type_, "literal_value", None)
