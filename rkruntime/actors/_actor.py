"""What an actor is to those who write one."""

from __future__ import annotations

from typing import Any

__all__ = ("Actor", "StopActor")


class StopActor(Exception):
    """Raised by a handler to end its own actor in good order; the message counts as completed."""


class Actor:
    """State that one message at a time may touch.

    A subclass's async methods are its messages. It is made anew at each restart, with the arguments it was spawned
    with, and then `setup` runs. When it stops or crashes, `teardown` runs, bounded in time, and its memory is freed.

    Attributes:
        name: Unique among live actors.
        memory: Device memory that ends with the actor; handed in before `setup`.
        passes: Exceptions that reach the asker as they are and do not crash the actor.
    """

    name: str
    memory: Any
    passes: tuple[type[Exception], ...] = ()

    async def setup(self) -> None:
        """Make ready, before the first message; an error here counts as a crash."""

    async def teardown(self) -> None:
        """Clean up, after the last message; runs under a deadline, and an error here is recorded."""
