"""The hooks of a runtime: each is handed every record; what one raises is logged, and the others still hear of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rkruntime.actors import EndedMessages, MessageDone, OnMessages
from rkruntime.context import Trace
from rkruntime.kernels import LaunchDone
from rkruntime.log import get_logger

if TYPE_CHECKING:
    from rkruntime.runtime._runtime import Runtime

__all__ = ("Attached", "BeginsTraces", "Choosy", "Counts", "Hook", "HookFor", "Hooks", "Patient")

MESSAGES_AT_ONCE = 512

Hook = Callable[[Any], None]


@runtime_checkable
class Attached(Protocol):
    """A hook that also reads the runtime's counters: it is handed the runtime before anything happens."""

    def attach(self, runtime: Runtime) -> None:
        """Take the runtime whose records come."""
        ...


@runtime_checkable
class BeginsTraces(Protocol):
    """A hook that also begins the traces of messages that belong to none."""

    def begin_trace(self) -> Trace | None:
        """Begin a trace; None for work that is not to be traced."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A hook that takes some kinds of record alone: the others are not made where nobody takes them.

    Attributes:
        takes: What each kind is handed to.
    """

    takes: Mapping[type, Hook]


@runtime_checkable
class Patient(Protocol):
    """A hook that takes the ends of messages in batches, some time after them, perhaps on another thread."""

    def take_messages(self, ended: EndedMessages) -> None:
        """Take messages in the order of their ends."""
        ...


@runtime_checkable
class Counts(Patient, Protocol):
    """A patient hook that is content with less: of messages that are not traced, their outcome and times alone.

    Attributes:
        counts_alone: Whether it is; where all hooks are, the rest is not kept.
    """

    counts_alone: bool


class HookFor:
    """A hook that hands one kind of record to a function.

    Args:
        kind: The record's class.
        hook: Takes such records.
    """

    def __init__(self, kind: type, hook: Hook) -> None:
        self.takes: Mapping[type, Hook] = {kind: hook}

    def __call__(self, record: Any) -> None:
        """Hand it on, where it is of that kind."""
        if (hook := self.takes.get(type(record))) is not None:
            hook(record)


class Hooks:
    """All hooks of one runtime.

    Args:
        hooks: Each takes any record (`Transition`, `ActorEvent`, `MessageDone`, `LaunchDone`, `PressureChange`,
            `DrainReport`, `ControlRequest`), or those that it says it takes.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks: tuple[object, ...] = tuple(hooks)
        self._patient = [hook for hook in self._hooks if isinstance(hook, Patient)]
        self._takers: dict[type, tuple[Hook, ...]] = {}
        self._log = get_logger("rkruntime.runtime")

    def attach(self, runtime: Runtime) -> None:
        """Hand the runtime to the hooks that want it."""
        for hook in self._hooks:
            if isinstance(hook, Attached):
                hook.attach(runtime)

    @property
    def tell_if_any(self) -> Hook | None:
        """What to call with each record; None where nobody listens, so that none need be made."""
        return self.tell if self._hooks else None

    @property
    def on_launch(self) -> Hook | None:
        """What to call with each `LaunchDone`; None where nobody takes launches, so that none need be numbered."""
        return self.tell if self._of(LaunchDone) else None

    @property
    def on_messages(self) -> OnMessages | None:
        """What takes batches of messages; None where nobody takes messages, so that none need be timed."""
        return self._tell_messages if self._patient or self._of(MessageDone) else None

    @property
    def messages_at_once(self) -> int:
        """How many messages a batch may have: one, where a hook wants each as it ends."""
        return 1 if self._of(MessageDone) else MESSAGES_AT_ONCE

    @property
    def whole_messages(self) -> bool:
        """Whether somebody wants more of messages that are not traced than their outcome and times."""
        content = all(isinstance(hook, Counts) and hook.counts_alone for hook in self._patient)
        return not content or bool(self._of(MessageDone))

    @property
    def begin_trace(self) -> Callable[[], Trace | None] | None:
        """What begins traces: the first hook that does."""
        return next((hook.begin_trace for hook in self._hooks if isinstance(hook, BeginsTraces)), None)

    def tell(self, record: Any) -> None:
        """Hand a record to every hook that takes it."""
        kind = type(record)
        for take in self._takers.get(kind) or self._of(kind):
            try:
                take(record)
            except Exception:
                self._log.exception("a hook raised, and was ignored", record=type(record).__name__)

    def _tell_messages(self, ended: EndedMessages) -> None:
        for hook in self._patient:
            try:
                hook.take_messages(ended)
            except Exception:
                self._log.exception("a hook raised, and was ignored", record=MessageDone.__name__)
        if self._of(MessageDone):
            for done in ended:
                self.tell(done)

    def _of(self, kind: type) -> tuple[Hook, ...]:
        takers = self._takers.get(kind)
        if takers is None:
            takers = self._takers[kind] = tuple(
                take for hook in self._hooks if (take := _taker(hook, kind)) is not None
            )
        return takers


def _taker(hook: Any, kind: type) -> Hook | None:
    if kind is MessageDone and isinstance(hook, Patient):
        return None
    return hook.takes.get(kind) if isinstance(hook, Choosy) else hook
