"""Raw values to configuration objects, with cattrs: nothing is coerced, and every problem is found in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from rkruntime.config._about import is_section
from rkruntime.config._kinds import Kind, OneOf
from rkruntime.config._layers import DEFAULT, Given, Source, refusal
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import Setting, by_path, config_classes
from rkruntime.config._suggest import nearest
from rkruntime.errors import ConfigurationProblem, InvalidConfiguration, InvalidConfigurations

__all__ = ("check_value", "structure")


def structure(merged: Mapping[str, Given]) -> tuple[ProductionConfig | None, Sequence[ConfigurationProblem]]:
    """Make a configuration of the values that won, or say everything that is wrong with them."""
    raw = _nested(ProductionConfig, merged)
    try:
        return _converter().structure(raw, ProductionConfig), ()
    except cattrs.BaseValidationError as group:
        return None, [_problem(error, merged) for error in _leaves(group)]


def check_value(given: Given) -> ConfigurationProblem | None:
    """Check one value by itself."""
    setting = by_path()[given.path]
    return None if setting.kind.accepts(setting.kind.read(given.raw)) else refusal(given, allowed_for(setting, given))


def allowed_for(setting: Setting, given: Given) -> str:
    """Say what a setting takes, and what may have been meant by a word that it does not take."""
    kind: Kind = getattr(setting.kind, "kind", setting.kind)
    close = isinstance(kind, OneOf) and isinstance(given.raw, str) and nearest(given.raw.lower(), kind.names)
    return setting.kind.allowed + (f'; did you mean "{close}"?' if close else "")


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for section, cls in reversed(config_classes()):
        hooks = {
            field.name: override(struct_hook=_hook(field.validator, f"{section}.{field.name}".lstrip(".")))
            for field in attrs.fields(cls)
            if not is_section(field)
        }
        converter.register_structure_hook(cls, make_dict_structure_fn(cls, converter, **hooks))  # type: ignore[arg-type]
    return converter


def _hook(kind: Any, path: str) -> Callable[[Any, Any], Any]:
    """Read and check one value: cattrs by itself would take `"yes"` for true, and stop at the first refusal."""

    def read(raw: Any, _: Any) -> Any:
        value = kind.read(raw)
        if not kind.accepts(value):
            raise InvalidConfiguration(path, raw, kind.allowed)
        return value

    return read


def _nested(cls: type, merged: Mapping[str, Given]) -> dict[str, Any]:
    """Put the values where the classes have their fields."""
    section = cls.SECTION  # type: ignore[attr-defined]
    nested: dict[str, Any] = {}
    for field in attrs.fields(cls):
        path = f"{section}.{field.name}".lstrip(".")
        if is_section(field):
            nested[field.name] = _nested(field.validator.type, merged)
        elif path in merged:
            nested[field.name] = merged[path].raw
    return nested


def _leaves(error: BaseException) -> Iterator[InvalidConfiguration]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif isinstance(error, InvalidConfigurations):
        for problem in error.problems:
            yield InvalidConfiguration(problem.path, problem.value, problem.mend.removeprefix("allowed: "))
    elif isinstance(error, InvalidConfiguration):
        yield error
    else:
        raise error  # a bug of ours: no other error can come from a hook or a class


def _problem(error: InvalidConfiguration, merged: Mapping[str, Given]) -> ConfigurationProblem:
    """Give a refusal its place: that of its value, or of the value that it does not fit if only that one was given."""
    setting = by_path()[error.path]
    given = merged.get(error.path) or Given(error.path, error.value, DEFAULT)
    if (alone := check_value(given)) is not None:
        return alone
    mentioned = [other for path, other in merged.items() if path in error.allowed]
    first = max([given, *mentioned], key=lambda one: (one.origin.source, one is given))
    where = first.origin.where if given.origin.source < Source.FILE else given.origin.where
    shown = attrs.evolve(given, raw=setting.kind.read(given.raw))
    return refusal(shown, error.allowed, where=where)
