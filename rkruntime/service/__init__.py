"""The HTTP service around a runtime: kernels, probes, drain."""

from rkruntime.service._app import Wrap as Wrap
from rkruntime.service._routes import ROUTES as ROUTES
from rkruntime.service._routes import RouteSpec as RouteSpec
from rkruntime.service._serve import Service as Service
from rkruntime.service._serve import longest_end_s as longest_end_s

__all__ = ("ROUTES", "RouteSpec", "Service", "Wrap", "longest_end_s")
