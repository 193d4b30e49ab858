"""How an actor was asked for: what each of its lives begins from."""

from __future__ import annotations

from typing import Any

import attrs

from rkruntime.actors._actor import Actor
from rkruntime.actors._restart import Restart

__all__ = ("Spec",)


@attrs.frozen(kw_only=True, eq=False)
class Spec:
    """How an actor was asked for.

    Raises:
        ValueError: A number or a word outside what is allowed.
    """

    kind: type[Actor]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    restart: Restart | None
    concurrency: int
    capacity: int
    refuses: bool
