"""What a runtime tells of itself: metrics, traces and logs, all as hooks over the records that it hands out."""

from rkruntime.observability._metrics import Metrics as Metrics
from rkruntime.observability._requests import RequestDone as RequestDone

__all__ = ("Metrics", "RequestDone")
