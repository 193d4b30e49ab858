"""The handle of one allocation, and where it was made."""

from __future__ import annotations

from types import CodeType, FrameType
from typing import TYPE_CHECKING

import attrs

from rkruntime.errors import BufferMisuse
from rkruntime.memory._pool import Block, Use, pending
from rkruntime.units import format_bytes

if TYPE_CHECKING:
    from rkruntime.device import DeviceEvent, DeviceStream
    from rkruntime.memory._manager import KernelMemoryManager
    from rkruntime.memory._owner import OwnedMemory

__all__ = ("Buffer", "Leak", "foreign", "leaks_of", "mark_place", "not_to_free")

_MARK_USES = 8


class Buffer:
    """Device memory that one owner holds, from `allocate` until `deallocate`.

    Only the memory manager makes these. A handle stands for one allocation: once freed it stays freed, even when its
    block serves somebody else.
    """

    __slots__ = ("_code", "_lasti", "block", "described", "owner", "size_bytes")

    block: Block | None
    size_bytes: int
    owner: OwnedMemory
    described: str
    _code: CodeType
    _lasti: int

    @property
    def freed(self) -> bool:
        """Whether the buffer was freed."""
        return self.block is None

    @property
    def address(self) -> int:
        """Where the memory begins, on the device.

        Raises:
            BufferMisuse: The buffer was freed.
        """
        return self._live_block().address

    @property
    def what(self) -> str:
        """What it is: `Buffer`, or an array with its shape and dtype."""
        return getattr(self, "described", "Buffer")

    @property
    def place(self) -> str:
        """Where it was allocated: `file:line`."""
        if not hasattr(self, "_code"):
            return "an unknown place"
        lines = [line for start, end, line in self._code.co_lines() if start <= self._lasti < end and line]
        return f"{self._code.co_filename}:{lines[0] if lines else self._code.co_firstlineno}"

    def touch(self, event: DeviceEvent, stream: DeviceStream | None = None) -> None:
        """Note that work up to `event` uses the buffer; freed before it is done, the block waits in quarantine.

        Args:
            event: Done once the use has finished.
            stream: Where the work runs, if it is known: work on the same stream may have the block at once.
        """
        block = self._live_block()
        uses = block.uses
        if uses is None:
            block.uses = ((event, stream),)
        elif stream is not None:
            # A later event of one stream is done after the earlier ones.
            block.uses = (*(use for use in uses if use[1] is not stream), (event, stream))
        else:
            block.uses = (*((pending(uses) or ()) if len(uses) > _MARK_USES else uses), (event, None))

    @property
    def uses(self) -> tuple[Use, ...]:
        """Uses that have not finished, each an event and its stream."""
        block = self._live_block()
        block.uses = pending(block.uses)
        return block.uses or ()

    def _live_block(self) -> Block:
        if self.block is None:
            raise BufferMisuse("use after free", repr(self), "keep the array until its last use, then free it once")
        return self.block

    def __repr__(self) -> str:
        state = "freed" if self.block is None else f"at {self.block.address:#x}"
        return f"<{self.what}, {format_bytes(self.size_bytes)} {state}, of {self.owner.kind} {self.owner.name!r}>"


@attrs.frozen(kw_only=True)
class Leak:
    """Memory that its owner never freed.

    Args:
        owner: Who holds it.
        kind: `actor`, `scope` or `caller`.
        size_bytes: What was asked for.
        place: `file:line` of the allocation.
        what: The array's shape and dtype, or `Buffer`.
    """

    owner: str
    kind: str
    size_bytes: int
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}, {format_bytes(self.size_bytes)}, never freed by {self.kind} {self.owner!r}"


def leaks_of(owner: OwnedMemory) -> list[Leak]:
    """List what `owner` holds, by place."""
    leaks = [
        Leak(
            owner=owner.name,
            kind=owner.kind,
            size_bytes=buffer.size_bytes,
            place=buffer.place,
            what=buffer.what,
        )
        for buffer in owner.live
    ]
    return sorted(leaks, key=lambda leak: (leak.place, -leak.size_bytes))


def mark_place(buffer: Buffer, frame: FrameType) -> None:
    """Note the innermost frame outside rkruntime as the buffer's place; keeps its code and offset, never the frame."""
    walk: FrameType | None = frame
    while walk is not None and str(walk.f_globals.get("__name__", "")).startswith("rkruntime."):
        walk = walk.f_back
    kept = walk or frame
    buffer._code, buffer._lasti = kept.f_code, kept.f_lasti


def foreign(buffer: object) -> BufferMisuse:
    """Build the error for what this runtime never allocated."""
    return BufferMisuse("no buffer of this runtime", repr(buffer), "free what this runtime's memory allocated")


def not_to_free(buffer: Buffer, manager: KernelMemoryManager) -> BufferMisuse:
    """Build the error for a buffer that `manager` cannot free: another's, or freed before."""
    if buffer.owner.manager is not manager:
        return foreign(buffer)
    return BufferMisuse("double free", repr(buffer), "free each array once; an owner's free_all frees it too")
