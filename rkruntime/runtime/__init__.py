"""The runtime: lifecycle, drain, health, presets."""

from rkruntime.runtime._actor import Actor as Actor
from rkruntime.runtime._builder import RuntimeBuilder as RuntimeBuilder
from rkruntime.runtime._hooks import HookFor as HookFor
from rkruntime.runtime._kernel_actor import KernelActor as KernelActor
from rkruntime.runtime._kernel_actor import KernelRef as KernelRef
from rkruntime.runtime._lifecycle import State as State
from rkruntime.runtime._open import open_runtime as open_runtime
from rkruntime.runtime._records import ActorOutcome as ActorOutcome
from rkruntime.runtime._records import Check as Check
from rkruntime.runtime._records import ControlRequest as ControlRequest
from rkruntime.runtime._records import DrainReport as DrainReport
from rkruntime.runtime._records import Health as Health
from rkruntime.runtime._records import LeakRecord as LeakRecord
from rkruntime.runtime._records import Transition as Transition
from rkruntime.runtime._runtime import Runtime as Runtime
from rkruntime.runtime._snapshot import snapshot as snapshot

__all__ = (
    "Actor",
    "ActorOutcome",
    "Check",
    "ControlRequest",
    "DrainReport",
    "Health",
    "HookFor",
    "KernelActor",
    "KernelRef",
    "LeakRecord",
    "Runtime",
    "RuntimeBuilder",
    "State",
    "Transition",
    "open_runtime",
    "snapshot",
)
