"""Which call of a device fails, and how: a seeded script and one pure decision."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ("Call", "Fault", "Faults", "next_fault")


class Call(enum.Enum):
    """The kinds of call that can be made to fail."""

    ALLOCATE = "allocate"
    COPY = "copy"
    LAUNCH = "launch"


class Fault(enum.Enum):
    """What can go wrong."""

    OUT_OF_MEMORY = "out_of_memory"
    SLOW_KERNEL = "slow_kernel"
    LOST_EVENT = "lost_event"
    COPY_FAILS = "copy_fails"
    KERNEL_FAULT = "kernel_fault"
    DEVICE_LOSS = "device_loss"


APPLIES: Mapping[Call, tuple[Fault, ...]] = {
    Call.ALLOCATE: (Fault.DEVICE_LOSS, Fault.OUT_OF_MEMORY),
    Call.COPY: (Fault.DEVICE_LOSS, Fault.COPY_FAILS, Fault.LOST_EVENT),
    Call.LAUNCH: (Fault.DEVICE_LOSS, Fault.KERNEL_FAULT, Fault.LOST_EVENT, Fault.SLOW_KERNEL),
}
"""Which faults a call can have, in the order in which their shares are laid out."""


def _share(_owner: Any, field: attrs.Attribute[Any], value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{field.name} = {value!r}: a share of calls lies between 0 and 1")


@attrs.frozen(kw_only=True)
class Faults:
    """A script of faults: shares of calls, drawn from a seed, and calls named one by one.

    The same script gives the same faults at the same calls, whatever else happens.

    Args:
        seed: Where the draws come from.
        out_of_memory: Share of allocations that raise `MemoryError`.
        slow_kernel: Share of launches that take `slow_s` longer.
        lost_event: Share of copies and of launches whose event never comes.
        copy_fails: Share of copies whose event ends with `CopyFailed`; the bytes are not to be trusted.
        kernel_fault: Share of launches that end with `KernelFault`.
        device_loss: Share of calls at which the device is lost for good.
        slow_s: How much longer a slow kernel takes, in seconds of Trio's clock.
        named: Faults at calls of one kind, counted from 1; see `at`.
    """

    seed: int = 0
    out_of_memory: float = attrs.field(default=0.0, validator=_share)
    slow_kernel: float = attrs.field(default=0.0, validator=_share)
    lost_event: float = attrs.field(default=0.0, validator=_share)
    copy_fails: float = attrs.field(default=0.0, validator=_share)
    kernel_fault: float = attrs.field(default=0.0, validator=_share)
    device_loss: float = attrs.field(default=0.0, validator=_share)
    slow_s: float = 1.0
    named: Mapping[tuple[Call, int], Fault] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for call, faults in APPLIES.items():
            total = sum(getattr(self, fault.value) for fault in faults)
            if total > 1.0:
                raise ValueError(f"the shares of {call.value} add up to {total:g}: at most 1")

    def at(self, number: int, fault: Fault, call: Call | None = None) -> Faults:
        """Return the script with `fault` at the `number`-th call that can have it, counted from 1.

        Args:
            number: Which call.
            fault: What goes wrong there.
            call: The kind of call that is counted; by default the launch where it can have the fault, else the only
                kind that can.
        """
        if call is None:
            able = [kind for kind, faults in APPLIES.items() if fault in faults]
            call = Call.LAUNCH if Call.LAUNCH in able else able[0]
        if fault not in APPLIES[call]:
            raise ValueError(f"a {call.value} has no {fault.value}; it has {[known.value for known in APPLIES[call]]}")
        if number < 1:
            raise ValueError(f"calls are counted from 1; got {number}")
        return attrs.evolve(self, named={**self.named, (call, number): fault})


def next_fault(script: Faults, call_number: int, kind: Call) -> Fault | None:
    """Return what goes wrong at the `call_number`-th call of a kind, counted from 1; None where nothing does."""
    named = script.named.get((kind, call_number))
    if named is not None:
        return named
    drawn = _draw(script.seed, kind, call_number)
    for fault in APPLIES[kind]:
        share: float = getattr(script, fault.value)
        if drawn < share:
            return fault
        drawn -= share
    return None


def _draw(seed: int, kind: Call, number: int) -> float:
    digest = hashlib.blake2b(f"{seed} {kind.value} {number}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53
