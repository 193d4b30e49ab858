"""Find a running runtime by its name, and talk to it over its Unix socket.

Standard library alone, so that asking costs next to nothing: the other side, with Trio, is in `rkruntime.runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rkruntime.control._client import converse as converse
from rkruntime.control._client import running_instances as running_instances
from rkruntime.control._place import AUTO_INSTANCE as AUTO_INSTANCE
from rkruntime.control._place import DEFAULT_INSTANCE as DEFAULT_INSTANCE
from rkruntime.control._place import is_instance_name as is_instance_name
from rkruntime.control._wire import LONGEST_REQUEST as LONGEST_REQUEST
from rkruntime.control._wire import Line as Line
from rkruntime.control._wire import encode as encode
from rkruntime.control._wire import peer as peer
from rkruntime.control._wire import read_request as read_request

if TYPE_CHECKING:
    from rkruntime.control._claim import Claim as Claim
    from rkruntime.control._claim import claim as claim
    from rkruntime.control._people import names_of_user as names_of_user


def __getattr__(name: str) -> Any:
    if name not in ("Claim", "claim", "names_of_user"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rkruntime.control import _claim, _people

    value = globals()[name] = getattr(_people if name == "names_of_user" else _claim, name)
    return value


__all__ = (  # noqa: RUF022  # sorted as every package's
    "AUTO_INSTANCE",
    "Claim",
    "DEFAULT_INSTANCE",
    "LONGEST_REQUEST",
    "Line",
    "claim",
    "converse",
    "encode",
    "is_instance_name",
    "names_of_user",
    "peer",
    "read_request",
    "running_instances",
)
