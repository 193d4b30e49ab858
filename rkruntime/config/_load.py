"""Load a configuration from all its sources, and know where each value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from rkruntime.config._checks import Checked, check_config
from rkruntime.config._layers import DEFAULT, Given, Layer, Origin, merge, preset_layer
from rkruntime.config._machine import Machine
from rkruntime.config._presets import RuntimePreset
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import by_key, by_path, settings
from rkruntime.config._sources import argument_layer, environment_layer, file_layer
from rkruntime.config._structure import check_value, structure
from rkruntime.errors import ConfigurationProblem, InvalidConfigurations, UnreadableInput

__all__ = ("Examined", "LoadedConfig", "examine_config", "load_config")


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


@attrs.frozen(kw_only=True)
class Examined:
    """What there is to say of a configuration, valid or not.

    Args:
        loaded: The configuration; of one that is not valid, what is left of it without what is wrong.
        errors: Everything that is wrong.
        warnings: What works, but is hardly what is wanted.
    """

    loaded: LoadedConfig
    errors: tuple[ConfigurationProblem, ...]
    warnings: tuple[ConfigurationProblem, ...]


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
    return combine(_layers(file, environ, preset, arguments))


def examine_config(
    file: str | os.PathLike[str] | None = None,
    *,
    machine: Machine | None = None,
    environ: Mapping[str, str] | None = None,
    preset: RuntimePreset | str | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Examined:
    """Load a configuration, and say in one go what is wrong with its values, with the whole, and beside a machine.

    Args:
        file: As for `load_config`, and so are the others.
        machine: Where it is to run; without one, nothing is said of the whole.
        environ: The environment.
        preset: The preset.
        arguments: Values by path.

    Raises:
        UnreadableInput: The file cannot be read.
    """
    return examine(_layers(file, environ, preset, arguments), machine)


def _layers(
    file: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
    preset: RuntimePreset | str | None,
    arguments: Mapping[str, Any] | None,
) -> list[Layer]:
    chosen = dict(arguments or {}) | ({} if preset is None else {"preset": str(preset)})
    return [
        Layer() if file is None else file_layer(_read(Path(file)), str(file)),
        environment_layer(os.environ if environ is None else environ),
        argument_layer(chosen),
    ]


def combine(sources: Sequence[Layer]) -> LoadedConfig:
    """Make one configuration of what the sources give.

    Raises:
        InvalidConfigurations: With everything that is wrong in any of them.
    """
    examined = examine(sources, None)
    if examined.errors:
        raise InvalidConfigurations.of(examined.errors)
    return examined.loaded


def examine(sources: Sequence[Layer], machine: Machine | None) -> Examined:
    """Make a configuration of what the sources give, and say everything that is wrong; without a machine, not of it."""
    merged = merge([*_preset(sources), *sources])
    config, found, aside = _sift(merged)
    problems = [problem for layer in sources for problem in layer.problems]
    overridden = [g for layer in sources for path, g in layer.given.items() if merged[path] is not g]
    problems += [*found, *filter(None, map(check_value, overridden))]
    left = {path: given for path, given in merged.items() if path not in aside}
    origins = {s.path: left[s.path].origin if s.path in left else DEFAULT for s in settings()}
    checked = Checked((), ()) if machine is None else check_config(config, machine, origins)
    problems += [problem for problem in checked.errors if not _named(problem) & aside]
    texts = [text for layer in sources for text in layer.warnings]
    return Examined(
        loaded=LoadedConfig(config=config, origins=origins, warnings=texts),
        errors=tuple(sorted(problems, key=lambda problem: _reading_order(problem.where))),
        warnings=tuple(problem for problem in checked.warnings if not _named(problem) & aside),
    )


def _sift(merged: Mapping[str, Given]) -> tuple[ProductionConfig, list[ConfigurationProblem], set[str]]:
    """Set aside what is refused and what it was measured against, until the rest makes a configuration.

    So a value that is wrong does not keep the others from being looked at; nothing is told that follows from it alone.
    """
    problems: list[ConfigurationProblem] = []
    aside: set[str] = set()
    while True:
        config, found = structure({path: given for path, given in merged.items() if path not in aside})
        problems += [problem for problem in found if not _named(problem) & aside]
        if config is not None:
            return config, problems, aside
        aside |= set().union(*map(_named, found))


def _named(problem: ConfigurationProblem) -> set[str]:
    """Return the settings that a problem names: its own, and those that its text compares it with."""
    own = by_key().get(problem.path)
    text = f"{problem.what} {problem.mend}"
    return {path for path in by_path() if "." in path and path in text} | ({own.path} if own else set())


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
