"""Load a configuration from all its sources, and know where each value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from rkruntime.config._layers import DEFAULT, Layer, Origin, merge, preset_layer
from rkruntime.config._presets import RuntimePreset
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import settings
from rkruntime.config._sources import argument_layer, environment_layer, file_layer
from rkruntime.config._structure import check_value, structure
from rkruntime.errors import InvalidConfigurations, UnreadableInput

__all__ = ("LoadedConfig", "load_config")


@attrs.frozen(kw_only=True)
class LoadedConfig:
    """A configuration and how it came about.

    Args:
        config: The values.
        origins: By path (`runtime.worker_threads`), where the value came from.
        warnings: What may be wrong, such as a variable that nothing reads.
    """

    config: ProductionConfig
    origins: Mapping[str, Origin] = attrs.field(eq=False)
    warnings: Sequence[str] = ()


def load_config(
    file: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    preset: RuntimePreset | str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Load a configuration: arguments win over the environment, that over the file, then preset and defaults.

    Args:
        file: A TOML file.
        environ: The environment; `os.environ` unless another is given, `{}` for none.
        preset: The preset, as an argument.
        arguments: Values by path: `{"runtime.worker_threads": 8}`.

    Raises:
        InvalidConfigurations: With everything that is wrong in any source.
        UnreadableInput: The file cannot be read.
    """
    chosen = dict(arguments or {}) | ({} if preset is None else {"preset": str(preset)})
    sources = [
        Layer() if file is None else file_layer(_read(Path(file)), str(file)),
        environment_layer(os.environ if environ is None else environ),
        argument_layer(chosen),
    ]
    return combine(sources)


def combine(sources: Sequence[Layer]) -> LoadedConfig:
    """Make one configuration of what the sources give.

    Raises:
        InvalidConfigurations: With everything that is wrong in any of them.
    """
    merged = merge([*_preset(sources), *sources])
    config, found = structure(merged)
    problems = [problem for layer in sources for problem in layer.problems]
    overridden = [g for layer in sources for path, g in layer.given.items() if merged[path] is not g]
    problems += [*found, *filter(None, map(check_value, overridden))]
    if problems or config is None:
        raise InvalidConfigurations.of(sorted(problems, key=lambda problem: _reading_order(problem.where)))
    origins = {s.path: merged[s.path].origin if s.path in merged else DEFAULT for s in settings()}
    return LoadedConfig(config=config, origins=origins, warnings=[text for layer in sources for text in layer.warnings])


def _preset(sources: Sequence[Layer]) -> list[Layer]:
    """Return the layer of the preset that the sources name; a bad name is for `structure` to refuse."""
    given = merge(sources).get("preset")
    if given is None or given.raw is None or check_value(given) is not None:
        return []
    return [preset_layer(RuntimePreset(given.raw).value)]


def _reading_order(where: str) -> tuple[str, int, int]:
    name, *numbers = where.rsplit(":", 2)
    return (name, int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (where, 0, 0)


def _read(file: Path) -> bytes:
    try:
        return file.expanduser().read_bytes()
    except OSError as error:
        mend = "give a file that is there; `rustkernel config generate --output FILE` writes one"
        raise UnreadableInput(str(file), f"it cannot be read: {error.strerror}", mend) from error
