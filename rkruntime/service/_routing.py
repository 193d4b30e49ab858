"""Finds the route of a request: paths as they stand in a table, those with a `{name}` by their pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from rkruntime.service._routes import RouteSpec

__all__ = ("Routing",)

T = TypeVar("T")
MOST_PATHS = 256
"""Of which it is remembered what answers them."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Routing(Generic[T]):
    """What answers each route.

    Args:
        specs: The routes; of two whose patterns fit a path, the first is taken.
        make: Makes what answers a route.
    """

    def __init__(self, specs: Sequence[RouteSpec], make: Callable[[RouteSpec], T]) -> None:
        self._plain: dict[str, dict[str, tuple[RouteSpec, T]]] = {}
        self._patterns: dict[re.Pattern[str], dict[str, tuple[RouteSpec, T]]] = {}
        for spec in specs:
            made = spec, make(spec)
            if "{" in spec.path:
                methods = self._patterns.setdefault(compile_path(spec.path)[0], {})
            else:
                methods = self._plain.setdefault(spec.path, {})
            for method in ("GET", "HEAD") if spec.method == "GET" else (spec.method,):
                methods[method] = made

        self.find = lru_cache(maxsize=MOST_PATHS)(self._find)

    def _find(self, method: str, path: str) -> tuple[RouteSpec, T, Mapping[str, str]]:
        """Return a request's route, what answers it, and the names in its path.

        Raises:
            HTTPException: There is no such path (404), or it has no such method (405).
        """
        names = NOTHING
        methods = self._plain.get(path)
        if methods is None:
            for pattern, those in self._patterns.items():
                if found := pattern.match(path):
                    methods, names = those, found.groupdict()
                    break
            else:
                raise HTTPException(404)
        made = methods.get(method)
        if made is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        return *made, names
