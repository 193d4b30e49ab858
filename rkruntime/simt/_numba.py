"""Numba's decorators without their types, which do not know how compiled code calls what they make."""

from __future__ import annotations

from typing import Any

import numba
import numba.extending

__all__ = ("intrinsic", "njit", "overload")

njit: Any = numba.njit
intrinsic: Any = numba.extending.intrinsic
overload: Any = numba.extending.overload
