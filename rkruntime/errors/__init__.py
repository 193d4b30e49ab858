"""Every error rkruntime raises: each names the value at fault and says how to mend it.

An error is an attrs class: its fields are for programs, `str(error)` is for people. One class stands for one thing that
a caller can do about it, with a builtin base where callers expect one. All of them pickle.
"""

from rkruntime.errors._actors import ActorCrashed as ActorCrashed
from rkruntime.errors._actors import ActorStopped as ActorStopped
from rkruntime.errors._actors import AskCycle as AskCycle
from rkruntime.errors._actors import DeadlineExceeded as DeadlineExceeded
from rkruntime.errors._actors import InstanceLimit as InstanceLimit
from rkruntime.errors._actors import MessageCancelled as MessageCancelled
from rkruntime.errors._actors import NameTaken as NameTaken
from rkruntime.errors._actors import Overloaded as Overloaded
from rkruntime.errors._actors import RestartLimit as RestartLimit
from rkruntime.errors._base import RkError as RkError
from rkruntime.errors._devices import BufferMisuse as BufferMisuse
from rkruntime.errors._devices import CopyFailed as CopyFailed
from rkruntime.errors._devices import DeviceLost as DeviceLost
from rkruntime.errors._devices import DeviceUnavailable as DeviceUnavailable
from rkruntime.errors._devices import MemoryPressure as MemoryPressure
from rkruntime.errors._devices import OutOfDeviceMemory as OutOfDeviceMemory
from rkruntime.errors._input import ConfigurationProblem as ConfigurationProblem
from rkruntime.errors._input import ConfigurationWarning as ConfigurationWarning
from rkruntime.errors._input import InvalidConfiguration as InvalidConfiguration
from rkruntime.errors._input import InvalidConfigurations as InvalidConfigurations
from rkruntime.errors._input import UnreadableInput as UnreadableInput
from rkruntime.errors._instances import ControlUnavailable as ControlUnavailable
from rkruntime.errors._instances import InstanceNotRunning as InstanceNotRunning
from rkruntime.errors._instances import InstanceTaken as InstanceTaken
from rkruntime.errors._kernels import ArgumentMismatch as ArgumentMismatch
from rkruntime.errors._kernels import BarrierDivergence as BarrierDivergence
from rkruntime.errors._kernels import InvalidLaunch as InvalidLaunch
from rkruntime.errors._kernels import KernelCompileError as KernelCompileError
from rkruntime.errors._kernels import KernelFault as KernelFault
from rkruntime.errors._kernels import KernelNotFound as KernelNotFound
from rkruntime.errors._kernels import LaunchCancelled as LaunchCancelled
from rkruntime.errors._kernels import NotAKernelFile as NotAKernelFile
from rkruntime.errors._kernels import UnsupportedKernel as UnsupportedKernel
from rkruntime.errors._lifecycle import AlreadyStarted as AlreadyStarted
from rkruntime.errors._lifecycle import CanaryFailed as CanaryFailed
from rkruntime.errors._lifecycle import Draining as Draining
from rkruntime.errors._lifecycle import InvalidTransition as InvalidTransition
from rkruntime.errors._lifecycle import NotRunning as NotRunning
from rkruntime.errors._lifecycle import UnreachableState as UnreachableState
from rkruntime.errors._security import AuditUnavailable as AuditUnavailable
from rkruntime.errors._service import AddressUnavailable as AddressUnavailable
from rkruntime.errors._service import Forbidden as Forbidden
from rkruntime.errors._service import RequestRefused as RequestRefused
from rkruntime.errors._service import ServiceFailed as ServiceFailed
from rkruntime.errors._service import Unauthenticated as Unauthenticated

__all__ = (
    "ActorCrashed",
    "ActorStopped",
    "AddressUnavailable",
    "AlreadyStarted",
    "ArgumentMismatch",
    "AskCycle",
    "AuditUnavailable",
    "BarrierDivergence",
    "BufferMisuse",
    "CanaryFailed",
    "ConfigurationProblem",
    "ConfigurationWarning",
    "ControlUnavailable",
    "CopyFailed",
    "DeadlineExceeded",
    "DeviceLost",
    "DeviceUnavailable",
    "Draining",
    "Forbidden",
    "InstanceLimit",
    "InstanceNotRunning",
    "InstanceTaken",
    "InvalidConfiguration",
    "InvalidConfigurations",
    "InvalidLaunch",
    "InvalidTransition",
    "KernelCompileError",
    "KernelFault",
    "KernelNotFound",
    "LaunchCancelled",
    "MemoryPressure",
    "MessageCancelled",
    "NameTaken",
    "NotAKernelFile",
    "NotRunning",
    "OutOfDeviceMemory",
    "Overloaded",
    "RequestRefused",
    "RestartLimit",
    "RkError",
    "ServiceFailed",
    "Unauthenticated",
    "UnreachableState",
    "UnreadableInput",
    "UnsupportedKernel",
)

for _name in __all__:  # a traceback names the class as programs import it
    globals()[_name].__module__ = __name__
