"""Numba's decorators and types, untyped: what it declares does not know how compiled code uses them."""

from __future__ import annotations

from typing import Any

import numba
import numba.core.types
import numba.extending

__all__ = ("intrinsic", "njit", "overload", "overload_method", "typeof", "types")

njit: Any = numba.njit
intrinsic: Any = numba.extending.intrinsic
overload: Any = numba.extending.overload
overload_method: Any = numba.extending.overload_method
types: Any = numba.core.types
typeof: Any = numba.typeof
