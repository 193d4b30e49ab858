"""Functions of the libraries for floats of sixteen bits, `cuda.fp16` and `cuda.bf16`: they have most in common.

Each computes in float64 and rounds once; for sums of products, which may need more, float64 is rounded to odd.
"""

# numba types little of what it compiles:
# mypy: disable-error-code="no-untyped-call,no-any-return,untyped-decorator,unused-ignore"

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rkruntime.simt import _rounding
from rkruntime.simt._libm import compiled_as, typed
from rkruntime.simt._numba import njit, types

__all__ = ("ShortLibrary",)

TRUTH = types.boolean
NUMBERS: Mapping[str, Any] = {
    "char": types.int8,
    "uchar": types.uint8,
    "short": types.int16,
    "ushort": types.uint16,
    "int": types.int32,
    "uint": types.uint32,
    "ll": types.int64,
    "ull": types.uint64,
    "float": types.float32,
    "double": types.float64,
}
kernel_code = njit(nogil=True, error_model="numpy")


@kernel_code
def _saturated(x: Any) -> Any:
    """Bring a number into 0 to 1; NaN is 0."""
    return min(max(x, 0.0), 1.0) if x == x else 0.0


@kernel_code
def _either(x: Any, y: Any, larger: Any) -> Any:
    """Return the larger or smaller number; a NaN gives way."""
    if x != x or y != y:
        return y if x != x else x
    return max(x, y) if larger else min(x, y)


_UNARY: Mapping[str, Callable[..., Any]] = {
    "habs": lambda x: abs(x),
    "hneg": lambda x: -x,
    "hceil": lambda x: np.ceil(x),
    "hfloor": lambda x: np.floor(x),
    "htrunc": lambda x: np.trunc(x),
    "hrint": lambda x: np.rint(x),
    "hsin": lambda x: math.sin(x),
    "hcos": lambda x: math.cos(x),
    "hexp": lambda x: math.exp(x),
    "hexp2": lambda x: 2.0**x,
    "hexp10": lambda x: 10.0**x,
    "hlog": lambda x: math.log(x),
    "hlog2": lambda x: math.log2(x),
    "hlog10": lambda x: math.log10(x),
    "hrcp": lambda x: 1 / x,
    "hrsqrt": lambda x: 1 / math.sqrt(x),
    "hsqrt": lambda x: math.sqrt(x),
    "htanh": lambda x: math.tanh(x),
    "htanh_approx": lambda x: math.tanh(x),
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "hadd": lambda x, y: x + y,
    "hsub": lambda x, y: x - y,
    "hmul": lambda x, y: x * y,
    "hdiv": lambda x, y: x / y,
    "hmax": lambda x, y: _either(x, y, True),
    "hmin": lambda x, y: _either(x, y, False),
    "hmax_nan": lambda x, y: max(x, y) if x == x and y == y else math.nan,
    "hmin_nan": lambda x, y: min(x, y) if x == x and y == y else math.nan,
}
_COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "heq": lambda x, y: x == y,
    "hne": lambda x, y: x < y or x > y,
    "hge": lambda x, y: x >= y,
    "hgt": lambda x, y: x > y,
    "hle": lambda x, y: x <= y,
    "hlt": lambda x, y: x < y,
}


@kernel_code
def _odd_sum(product: Any, z: Any) -> Any:
    """Return a sum rounded to odd, so that rounding it once more is as rounding once."""
    total, error = _rounding.two_sum(product, z)
    if error != 0 and _bits_of_double(total) & 1 == 0:
        return np.nextafter(total, math.copysign(math.inf, error))
    return total


def _reinterpreted(result: Any, given: Any) -> Any:
    """Make the function that takes the same bits for another type."""
    return typed(
        lambda context, builder, _signature, args: builder.bitcast(args[0], context.get_value_type(result)),
        result,
        given,
    )


_bits_of_double = _reinterpreted(types.int64, types.float64)
_FUSED: Mapping[str, Callable[..., Any]] = {
    "": lambda x, y, z: _odd_sum(x * y, z),
    "sat": lambda x, y, z: _saturated(_odd_sum(x * y, z)),
    "relu": lambda x, y, z: max(_odd_sum(x * y, z), 0.0),
}

_CLASSES: Mapping[str, Callable[..., Any]] = {
    "hisnan": lambda x: x != x,
    "hisinf": lambda x: (1 if x > 0 else -1) if math.isinf(x) else 0,
}


class ShortLibrary:
    """The functions of one library.

    Args:
        kind: The numba type.
        word: What names of conversions call it, as in `int2half_rz`.
    """

    def __init__(self, kind: Any, word: str) -> None:
        self.kind, self.word = kind, word
        self.bits_of, self.of_bits = _reinterpreted(types.int16, kind), _reinterpreted(kind, types.int16)

    def find(self, name: str) -> Any:
        """Return what a kernel calls in place of a function, or None where there is no such function."""
        name = name.removeprefix("__")
        if f"2{self.word}" in name or f"{self.word}2" in name or "_as_" in name:
            return self._conversion(name)
        base, _, suffix = name.partition("_")
        if name in _UNARY:
            return self._over(_UNARY[name], self.kind, 1)
        if name in _BINARY:
            return self._over(_BINARY[name], self.kind, 2)
        if name in _COMPARISONS:
            return self._over(_COMPARISONS[name], TRUTH, 2)
        if name in _CLASSES:
            return self._over(_CLASSES[name], types.int32, 1)
        if base[:-1] in _COMPARISONS and base.endswith("u"):
            ordered = kernel_code(_COMPARISONS[base[:-1]])
            return self._over(lambda x, y: x != x or y != y or ordered(x, y), TRUTH, 2)
        return self._with_suffix(base, suffix)

    def _with_suffix(self, base: str, suffix: str) -> Any:
        """Return arithmetic that rounds (`rn`), and saturates (`sat`) or drops negative results (`relu`) afterwards."""
        if base == "hfma":
            return self._over(_FUSED[suffix], self.kind, 3) if suffix in _FUSED else None
        if base not in _BINARY or suffix not in ("rn", "sat"):
            return None
        if suffix == "rn":
            return self._over(_BINARY[base], self.kind, 2)
        plain = kernel_code(_BINARY[base])
        return self._over(lambda x, y: _saturated(plain(x, y)), self.kind, 2)

    def _over(self, function: Callable[..., Any], result: Any, count: int) -> Any:
        """Make a function of float64 one of the short type."""
        inner = kernel_code(function)
        wide = np.float64
        call: Callable[..., Any] = (
            lambda a: inner(wide(a)),
            lambda a, b: inner(wide(a), wide(b)),
            lambda a, b, c: inner(wide(a), wide(b), wide(c)),
        )[count - 1]
        return compiled_as(call, result, *[self.kind] * count)

    def _conversion(self, name: str) -> Any:
        """Return a conversion, such as `float2half_rn`, `half2int_rz` or `half_as_short`."""
        source, _, target = name.partition("_as_")
        if target:
            kinds = {**NUMBERS, self.word: self.kind}
            return _reinterpreted(kinds[target], kinds[source]) if {source, target} <= set(kinds) else None
        stem, _, mode = name.partition("_")
        source, _, target = stem.partition("2")
        if target == self.word and source in NUMBERS:
            return compiled_as(self._rounded(mode or "rn", NUMBERS[source]), self.kind, NUMBERS[source])
        if source == self.word and target == "float":
            return compiled_as(lambda x: np.float32(x), types.float32, self.kind)
        if source == self.word and target in NUMBERS and mode:
            number = NUMBERS[target]
            convert = kernel_code(_rounding.whole(mode, number.bitwidth, not number.signed))
            return compiled_as(lambda x: convert(np.float64(x)), number, self.kind)
        return None

    def _rounded(self, mode: str, source: Any) -> Callable[..., Any]:
        """Return the conversion of a number in a direction."""
        up, down, zero = mode == "ru", mode == "rd", mode == "rz"
        kind, bits_of, of_bits = self.kind, self.bits_of, self.of_bits
        exact_of = _exact_of(source)

        def convert(x: Any) -> Any:
            exact = exact_of(x)
            near = kind(exact)
            value = np.float64(near)
            if value < exact and (up or (zero and exact < 0)):
                step = 1 if value >= 0 else -1
            elif value > exact and (down or (zero and exact > 0)):
                step = -1 if value > 0 else 1
            else:
                return near
            if math.isinf(exact):
                return near
            if value == 0:
                return of_bits(np.int16(1)) if value < exact else of_bits(np.int16(-32767))
            return of_bits(np.int16(bits_of(near) + step))

        return convert


def _exact_of(source: Any) -> Any:
    """Make the function that turns a number into a float64 that is on the same side of every short float."""
    if not isinstance(source, types.Integer) or source.bitwidth < 64:
        return kernel_code(lambda x: np.float64(x))
    some, twelve, sticky = source(0xFFF), source(12), source(0x800)

    @kernel_code
    def exact_of(x: Any) -> Any:
        if np.abs(np.float64(x)) < 2.0**53 or x & some == 0:
            return np.float64(x)
        return np.float64((x >> twelve << twelve) | sticky)

    return exact_of
