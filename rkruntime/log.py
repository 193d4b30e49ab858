"""The project's loggers: structured events without secrets, handed to the standard library's logging.

A library must not print on its own: until the application (or the `rustkernel` command) gives the logger `rkruntime` a
handler, warnings alone reach stderr, through logging's own last resort.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from rkruntime.context import current_ids
from rkruntime.redact import redact_event, redacted_text

__all__ = ("configure_logging", "get_logger")


def get_logger(name: str) -> Any:
    """Return the structured logger `name`, such as `rkruntime.memory`: `logger.info("event", key=value)`."""
    import structlog

    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            _with_ids,
            structlog.processors.format_exc_info,
            redact_event,
            _hand_over,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _with_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the work that the event belongs to; what the event says itself stays."""
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event


def _hand_over(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """Give logging one readable line, and its handlers the fields."""
    fields = {key: value for key, value in event.items() if key not in ("event", "exception")}
    line = " ".join([str(event["event"]), *(f"{key}={value}" for key, value in fields.items())])
    if "exception" in event:
        line += "\n" + event["exception"]
        fields["exception"] = event["exception"]
    return (line,), {"extra": {"rk_event": event["event"], "rk_fields": fields}}


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "rk_event", None)
        fields = getattr(record, "rk_fields", {})
        told = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if event is None else event,
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return redacted_text(json.dumps(told | fields, default=str))


class _Console(logging.Formatter):
    """One readable line, and below it a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted_text(super().format(record))


def configure_logging(level: str, form: str) -> None:
    """Send rkruntime's events to stderr, for programs that have no logging of their own.

    Warnings of other libraries go the same way: a log is in one form as a whole, and no line goes round the filter.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `console` for people, `json` for one JSON object a line.
    """
    handler = logging.StreamHandler()
    console = _Console("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(_Json() if form == "json" else console)
    logger = logging.getLogger("rkruntime")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each.formatter, _Json | _Console)]
    root.addHandler(handler)
