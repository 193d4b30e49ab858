"""What numba-cuda has copied from numba, and numba's CPU target has itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba

__all__ = ("stand_in",)

_NUMBA: Any = numba  # which does not declare all that it has
_SAME: Mapping[str, Any] = {name: getattr(_NUMBA, name) for name in ("carray", "farray", "literal_unroll")}


def stand_in(name: str) -> Any:
    """Return numba's own function of the name, or None where that is none of those copied."""
    return _SAME.get(name)
