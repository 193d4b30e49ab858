"""Run kernels with a type that is given to the cuda target by numba-cuda's extension API; print which agreed.

In a process of its own: what is registered holds for all kernels of a process, which are then not kept on disk.
"""

import json
import operator
import sys

import numpy as np
from numba import cuda, njit
from numba.cuda import cgutils, extending, types
from numba.cuda.core.imputils import lower_constant
from numba.cuda.cudadecl import registry as typing_registry
from numba.cuda.cudaimpl import lower, lower_attr
from numba.cuda.typing.templates import AttributeTemplate
from simt_launching import run

from rkruntime.errors import UnsupportedKernel


class Span:
    """Numbers from `low` up to `high`."""

    def __init__(self, low, high):
        self.low, self.high = low, high


class SpanType(types.Type):
    def __init__(self):
        super().__init__(name="Span")


span_type = SpanType()


@extending.typeof_impl.register(Span)
def type_of_span(value, context):
    return span_type


@extending.type_callable(Span)
def call_of_span(context):
    def typer(low, high):
        return span_type if isinstance(low, types.Number) and isinstance(high, types.Number) else None

    return typer


@extending.register_model(SpanType)
class SpanModel(extending.core_models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("low", types.float64), ("high", types.float64)])


extending.make_attribute_wrapper(SpanType, "low", "low")
extending.make_attribute_wrapper(SpanType, "high", "high")


@lower(Span, types.Number, types.Number)
def make_span(context, builder, sig, args):
    made = cgutils.create_struct_proxy(span_type)(context, builder)
    made.low, made.high = (
        context.cast(builder, value, kind, types.float64) for value, kind in zip(args, sig.args, strict=True)
    )
    return made._getvalue()


@lower_constant(SpanType)
def constant_span(context, builder, kind, value):
    made = cgutils.create_struct_proxy(kind)(context, builder)
    made.low = context.get_constant(types.float64, value.low)
    made.high = context.get_constant(types.float64, value.high)
    return made._getvalue()


@typing_registry.register_attr
class SpanAttributes(AttributeTemplate):
    key = SpanType

    def resolve_width(self, kind):
        return types.float64


@lower_attr(SpanType, "width")
def span_width(context, builder, kind, value):
    made = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    return builder.fsub(made.high, made.low)


@extending.overload_attribute(SpanType, "middle")
def span_middle(span):
    return lambda span: (span.low + span.high) / 2


@extending.overload_method(SpanType, "count")
def span_count(span, start=0, step=1.0):
    def count(span, start=0, step=1.0):
        found, at = start, span.low
        while at < span.high:
            found += 1
            at += step
        return found

    return count


@extending.overload(operator.add)
def add_spans(one, other):
    if one == span_type and other == span_type:
        return lambda one, other: Span(one.low + other.low, one.high + other.high)
    return None


@extending.overload(len)
def length_of_span(span):
    return (lambda span: int(span.high - span.low)) if span == span_type else None


@extending.overload_method(SpanType, "moved_by_thread")
def moved_by_thread(span):
    return lambda span: Span(span.low + cuda.threadIdx.x, span.high)


class Table:
    """Values, and where each is to be found."""

    def __init__(self, values, places):
        self.values, self.places = values, places


class TableType(types.Type):
    def __init__(self, values, places):
        self.values, self.places = values, places
        super().__init__(name=f"Table({values}, {places})")


@extending.type_callable(Table)
def call_of_table(context):
    def typer(values, places):
        arrays = isinstance(values, types.Array) and isinstance(places, types.Array)
        return TableType(values, places) if arrays else None

    return typer


@extending.register_model(TableType)
class TableModel(extending.core_models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("values", kind.values), ("places", kind.places)])


extending.make_attribute_wrapper(TableType, "values", "values")
extending.make_attribute_wrapper(TableType, "places", "places")


@lower(Table, types.Array, types.Array)
def make_table(context, builder, sig, args):
    made = cgutils.create_struct_proxy(sig.return_type)(context, builder)
    made.values, made.places = args
    return made._getvalue()


@extending.overload_method(TableType, "found")
def found_in_table(table, place):
    return lambda table, place: table.values[table.places[place]]


@extending.overload(len)
def length_of_table(table):
    return (lambda table: table.places.size) if isinstance(table, TableType) else None


def doubled(span): ...


@extending.overload(doubled)
def double_span(span, by=2, more=0):
    def double(span, by=2, more=0):
        return Span(span.low * by, span.high * by + more + cuda.threadIdx.x)

    return double


@extending.register_jitable
def total(span):
    return span.low + span.high


@njit
def joined(one, other):
    return Span(min(one.low, other.low), max(one.high, other.high))


@cuda.jit(device=True)
def shifted(span, by):
    return Span(span.low + by, span.high + by)


UNIT = Span(0.25, 1.25)


@cuda.jit
def alone(x, out):
    i = cuda.grid(1)
    span = Span(x[i], x[i] + i)
    other = span + UNIT
    if i % 2:
        span = shifted(span, 1)
    out[i, 0] = span.low + 100 * span.high
    out[i, 1] = span.width + span.middle
    out[i, 2] = span.count() + 100 * span.count(2, step=0.5)
    out[i, 3] = other.high + len(joined(span, other))


def alone_reference(x):
    rows = []
    for i, start in enumerate(x):
        low, high = start + i % 2, start + i + i % 2
        other_low, other_high = start + UNIT.low, start + i + UNIT.high
        both = max(high, other_high) - min(low, other_low)
        rows.append([low + 100 * high, i + (low + high) / 2, i + 100 * (2 + 2 * i), other_high + int(both)])
    return rows


@cuda.jit
def with_overloads(x, out):
    i = cuda.grid(1)
    own = cuda.local.array(2, span_type)
    own[0] = Span(x[i], x[i] + i)
    own[1] = doubled(own[0], more=3, by=5)
    out[i, 0] = total(doubled(own[0]))
    out[i, 1] = own[1].high


def with_overloads_reference(x):
    i = np.arange(len(x))
    return np.stack([2 * x + 2 * (x + i) + i % 4, 5 * (x + i) + 3 + i % 4], axis=1)


@cuda.jit
def together(x, out):
    spans = cuda.shared.array(4, span_type)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    spans[t] = Span(x[i], 2 * x[i])
    cuda.syncthreads()
    out[i, 0] = spans[3 - t].width


@cuda.jit(device=True)
def put_into(table, place, value):
    table.values[table.places[place]] = value


@cuda.jit
def of_arrays(x, places, out):
    i = cuda.grid(1)
    table = Table(x[:, 1], places)
    if i < len(table):
        out[i, 0] = table.found(i)
        put_into(Table(out[:, 1], table.places), i, table.values[i] + table.values.size)


def of_arrays_reference(x, places):
    out = np.zeros((len(places), 2))
    out[:, 0] = x[places, 1]
    out[places, 1] = x[:, 1] + len(x)
    return out


@cuda.jit
def refused(out):
    out[0, 0] = Span(1.0, 2.0).moved_by_thread().low


def results(lowering):
    """Hold one lowering to the references; return which kernels it took."""
    x = np.arange(8) / 4
    pairs, places = np.arange(16.0).reshape(8, 2) ** 2, np.array([3, 1, 4, 0, 5, 7, 2, 6])
    cases = [
        (alone, alone_reference(x), ("loop", "fibers", "lanes")),
        (with_overloads, with_overloads_reference(x), ("loop", "fibers")),
        (together, x.reshape(2, 4)[:, ::-1].reshape(8, 1), ("fibers", "lanes")),
        (of_arrays, of_arrays_reference(pairs, places), ("loop", "fibers", "lanes")),
    ]
    taken = []
    for kernel, wanted, lowerings in cases:
        if lowering in lowerings:
            out = np.zeros(np.shape(wanted))
            given = (pairs, places) if kernel is of_arrays else (x,)
            taken.append(run(kernel, 2, 4, *given, out, lowering=lowering).name)
            np.testing.assert_allclose(out, wanted, rtol=1e-14)
    return taken


if __name__ == "__main__":
    told = {lowering: results(lowering) for lowering in sys.argv[1:]}
    try:
        run(refused, 1, 1, np.zeros((1, 1)))
    except UnsupportedKernel as error:
        told["refused"] = error.construct
    json.dump(told, sys.stdout)
