"""Reading PTX: how much memory of a kind a kernel declares."""

from __future__ import annotations

import math
import re

__all__ = ("bytes_in",)

_DECLARED = re.compile(
    r"^\s*(?:\.visible\s+|\.weak\s+)?(\.\w+)\s+(?:\.align\s+\d+\s+)?\.[a-z](\d+)\s+\S+?((?:\[\d+\])*)\s*[;=]", re.M
)


def bytes_in(ptx: str, space: str) -> int:
    """Return the bytes that PTX declares in a state space; arrays whose size the launch gives count as none.

    Args:
        ptx: PTX of one module (PTX ISA, section 5.1, State Spaces).
        space: `.shared`, `.const` or `.local`.
    """
    total = 0
    for where, bits, extents in _DECLARED.findall(ptx):
        if where == space:
            total += int(bits) // 8 * math.prod(map(int, re.findall(r"\d+", extents)))
    return total
