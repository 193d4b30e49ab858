"""Acts on pressure: keeps the level, logs each crossing, releases, calls back, holds deferrable allocations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rkruntime.config import MemoryConfig
from rkruntime.errors import MemoryPressure
from rkruntime.log import get_logger
from rkruntime.memory._account import Account
from rkruntime.memory._deferral import DeferralQueue, Outcome
from rkruntime.memory._pressure import (
    ACTIONS,
    Actions,
    PressureChange,
    PressureLevel,
    edges_for,
    next_level,
    stay_range,
)

__all__ = ("Clock", "OnChange", "OnPressure", "PressureWatch")

Clock = Callable[[], float]
OnChange = Callable[[PressureChange], None]
OnPressure = Callable[[PressureLevel], None]


class PressureWatch:
    """The pressure level of one manager, and what is done at each.

    Args:
        config: The limit and the edges.
        account: Its `allocated` decides; its `fall_below` and `rise_at` say when `reassess` is due.
        release: Gives idle memory back to the device.
        on_record: Called with each `PressureChange`.
    """

    def __init__(
        self,
        config: MemoryConfig,
        account: Account,
        release: Callable[[], int],
        on_record: OnChange | None = None,
    ) -> None:
        self.level = PressureLevel.NORMAL
        self._account = account
        self._release = release
        self._on_record = on_record
        self._limit_bytes = config.max_gpu_memory
        self._edges = edges_for(
            config.max_gpu_memory,
            config.pressure_threshold,
            config.critical_threshold,
            config.emergency_threshold,
            config.hysteresis,
        )
        self._callbacks: dict[int, tuple[OnPressure, PressureLevel]] = {}
        self._callbacks_made = 0
        self._deferred = DeferralQueue(lambda: not self.actions.defers)
        self._log = get_logger("rkruntime.memory")
        self._set_range()

    @property
    def actions(self) -> Actions:
        """What holds at the level now."""
        return ACTIONS[self.level]

    def error(self) -> MemoryPressure:
        """Build the error for what is refused at this level."""
        return MemoryPressure(str(self.level), self._account.allocated_bytes, self._limit_bytes)

    def add(self, callback: OnPressure, level: PressureLevel) -> Callable[[], None]:
        """Call `callback` at each rise to `level` or above; returns what takes it off again."""
        self._callbacks_made += 1
        key = self._callbacks_made
        self._callbacks[key] = (callback, level)

        def remove() -> None:
            self._callbacks.pop(key, None)

        return remove

    @asynccontextmanager
    async def deferred_turn(self, deadline_s: float) -> AsyncIterator[None]:
        """Wait in order until the level is Normal, then hold the turn for the length of the block.

        Raises:
            MemoryPressure: The deadline passed, or memory came to Emergency.
        """
        if self.actions.cancels_deferred:
            raise self.error()
        async with self._deferred.turn(deadline_s) as outcome:
            if outcome is not Outcome.GRANTED:
                raise self.error()
            yield

    def cancel_deferred(self) -> None:
        """End every wait of a deferrable allocation."""
        self._deferred.cancel_all()

    def _set_range(self) -> None:
        fall_below, rise_at = stay_range(self.level, self._edges)
        self._account.fall_below, self._account.rise_at = float(fall_below), float(rise_at)

    def reassess(self) -> None:
        """Move to the level that the allocated bytes call for, and act on it."""
        before, now = self.level, next_level(self.level, self._account.allocated_bytes, self._edges)
        if now is before:
            return
        self.level = now
        self._set_range()
        tell = self._log.warning if now > before else self._log.info
        tell(
            "memory pressure",
            to=str(now),
            was=str(before),
            allocated_bytes=self._account.allocated_bytes,
            limit_bytes=self._limit_bytes,
        )
        if self._on_record is not None:
            allocated, limit = self._account.allocated_bytes, self._limit_bytes
            self._on_record(PressureChange(before=before, after=now, allocated_bytes=allocated, limit_bytes=limit))
        if now > before:
            self._relieve(now)
        self._deferred.advance()

    def _relieve(self, level: PressureLevel) -> None:
        if ACTIONS[level].releases_idle:
            self._release()
        if ACTIONS[level].cancels_deferred:
            self._deferred.cancel_all()
        for callback, wanted in tuple(self._callbacks.values()):
            if level >= wanted:
                try:
                    callback(level)
                except Exception:
                    self._log.exception("pressure callback failed", callback=repr(callback))
