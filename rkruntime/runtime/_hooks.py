"""The hooks of a runtime: each is handed every record; what one raises is logged, and the others still hear of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rkruntime.context import Trace
from rkruntime.log import get_logger

if TYPE_CHECKING:
    from rkruntime.runtime._runtime import Runtime

__all__ = ("Attached", "BeginsTraces", "Hook", "Hooks")

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

    def begin_trace(self) -> Trace:
        """Begin a trace, recorded or not."""
        ...


class Hooks:
    """All hooks of one runtime.

    Args:
        hooks: Each takes any record: `Transition`, `ActorEvent`, `MessageDone`, `LaunchDone`, `PressureChange`,
            `DrainReport`.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)
        self._objects: tuple[object, ...] = self._hooks
        self._log = get_logger("rkruntime.runtime")

    def attach(self, runtime: Runtime) -> None:
        """Hand the runtime to the hooks that want it."""
        for hook in self._objects:
            if isinstance(hook, Attached):
                hook.attach(runtime)

    @property
    def tell_if_any(self) -> Hook | None:
        """What to call with each record; None where nobody listens, so that none need be made."""
        return self.tell if self._hooks else None

    @property
    def begin_trace(self) -> Callable[[], Trace] | None:
        """What begins traces: the first hook that does."""
        return next((hook.begin_trace for hook in self._objects if isinstance(hook, BeginsTraces)), None)

    def tell(self, record: Any) -> None:
        """Hand a record to every hook."""
        for hook in self._hooks:
            try:
                hook(record)
            except Exception:
                self._log.exception("a hook raised, and was ignored", record=type(record).__name__)
