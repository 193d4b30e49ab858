"""Numba's decorators and types, untyped: what it declares does not know how compiled code uses them."""

from __future__ import annotations

from typing import Any

import numba
import numba.core.types
import numba.extending

__all__ = ("intrinsic", "njit", "overload", "typeof", "types")

njit: Any = numba.njit
intrinsic: Any = numba.extending.intrinsic
overload: Any = numba.extending.overload
types: Any = numba.core.types
typeof: Any = numba.typeof
