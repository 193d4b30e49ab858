"""Find kernels by what people write: `file.py:kernel`, `package.module:kernel`, or the name of an installed one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from rkruntime.errors import KernelNotFound, NotAKernelFile
from rkruntime.kernels._load import load_file, load_module
from rkruntime.kernels._spec import KernelSpec, as_spec

__all__ = ("ENTRY_POINTS", "find", "kernels_in", "list_kernels")

ENTRY_POINTS = "rkruntime.kernels"
"""The entry-point group in which packages offer modules of kernels."""


def find(target: str | Path, folders: Sequence[str | Path] = ()) -> KernelSpec:
    """Find one kernel.

    Args:
        target: `FILE.py:KERNEL` or `package.module:KERNEL`, the kernel left out where there is but one; or the name of
            a kernel in `folders` or in an installed package that offers kernels (entry points `rkruntime.kernels`),
            as `file.KERNEL` or `package.KERNEL` where several have one of that name.
        folders: Folders of kernel files to look in, before installed packages.

    Raises:
        KernelNotFound: There is none of that name, or several where none was named.
        NotAKernelFile: The file or module cannot be imported.
    """
    text = str(target)
    place, colon, name = text.rpartition(":")
    if not colon:
        place, name = text, ""
    if _is_path(place):
        path = _in_folders(Path(place).expanduser(), folders)
        return _choose(text, name, str(path), _named(load_file(path)))
    if colon:
        return _choose(text, name, place, _named(load_module(place)))
    return _find_offered(text, folders)


def list_kernels(folders: Sequence[str | Path] = ()) -> dict[str, KernelSpec]:
    """Return every kernel that `find` knows by name: those in `folders`, then those of installed packages.

    A kernel whose bare name another one has, in a folder before its own or beside it, is there as `file.KERNEL` or
    `package.KERNEL`.

    Raises:
        NotAKernelFile: A folder, file or installed module cannot be read.
    """
    known: dict[str, KernelSpec] = {}
    for layer in _layers(folders):
        offers, failures = _offers(layer)
        if failures:
            raise failures[0]
        for name, by_place in offers.items():
            if name not in known and len(set(map(id, by_place.values()))) == 1:
                known[name] = as_spec(next(iter(by_place.values())))
            else:
                known |= {f"{place}.{name}": as_spec(thing) for place, thing in by_place.items()}
    return known


def kernels_in(module: ModuleType) -> dict[str, Any]:
    """Return what in a module is a kernel, by name; imported ones count where the module lists them in `__all__`."""
    listed = getattr(module, "__all__", ())
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("__") and _is_kernel(thing) and (name in listed or _home(thing) == module.__name__)
    }


def _named(module: ModuleType) -> dict[str, Any]:
    """Return the kernels that may be asked for by name: a plain function too, though nothing but asking marks it."""
    return {name: thing for name, thing in vars(module).items() if isinstance(thing, FunctionType)} | kernels_in(module)


def _choose(target: str, name: str, where: str, things: dict[str, Any]) -> KernelSpec:
    kernels = {key: thing for key, thing in things.items() if not isinstance(thing, FunctionType)}
    if name in things:
        return as_spec(things[name])
    if not name and len(kernels) == 1:
        return as_spec(next(iter(kernels.values())))
    if not name and not kernels:
        raise NotAKernelFile(where, "there is no kernel in it: nothing is decorated with @cuda.jit or @rk.kernel")
    if not name:
        raise KernelNotFound(
            target, f"{where}, which has several", tuple(kernels), tuple(f"{target}:{k}" for k in kernels)
        )
    raise KernelNotFound(name, where, tuple(kernels), _close(name, tuple(kernels)))


def _find_offered(text: str, folders: Sequence[str | Path]) -> KernelSpec:
    asked_place, _, asked = text.rpartition(".")
    known: list[str] = []
    broken: list[NotAKernelFile] = []
    for layer in _layers(folders):
        offers, failures = _offers(layer)
        broken += failures
        known += [name for name in offers if name not in known]
        if asked_place in offers.get(asked, {}):
            return as_spec(offers[asked][asked_place])
        same = offers.get(text, {})
        if len(set(map(id, same.values()))) > 1:
            full = tuple(f"{place}.{text}" for place in same)
            raise KernelNotFound(text, f"one place alone: {' and '.join(same)} each have one", full, full)
        if same:
            return as_spec(next(iter(same.values())))
    if broken:  # it may be in there
        raise broken[0]
    where = "the installed kernels" + "".join(f", {folder}" for folder in folders)
    raise KernelNotFound(text, where, tuple(known), _close(text, known))


Layer: TypeAlias = Sequence[tuple[str, Callable[[], ModuleType]]]
"""Places that are looked in together, by what goes before the dot: each with what imports it."""


def _layers(folders: Sequence[str | Path]) -> Iterator[Layer]:
    for folder in folders:
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise _no_folder(str(folder), path)
        files = [file for file in sorted(path.glob("*.py")) if not file.name.startswith("_")]
        yield [(file.stem, partial(load_file, file)) for file in files]
    entries = sorted(entry_points(group=ENTRY_POINTS), key=lambda each: (each.name, each.module))
    yield [(entry.module, partial(load_module, entry.module)) for entry in entries]


def _no_folder(told: str, path: Path) -> NotAKernelFile:
    what = "folder of kernels"
    if path.is_file():
        return NotAKernelFile(told, "it is a file", what, f"give the folder that it is in: {path.parent}")
    why = "there is no such folder" if not path.exists() else "it is neither a folder nor a file"
    return NotAKernelFile(told, why, what, "make it, or give a folder that is there, of Python files with kernels")


def _offers(layer: Layer) -> tuple[dict[str, dict[str, Any]], list[NotAKernelFile]]:
    """Return the kernels of a layer by name and place, and what kept places from being read."""
    offers: dict[str, dict[str, Any]] = {}
    failures: list[NotAKernelFile] = []
    for place, load in layer:
        try:
            module = load()
        except NotAKernelFile as failure:  # told by the caller, unless the kernel is found elsewhere
            failures.append(failure)
        else:
            for name, thing in kernels_in(module).items():
                offers.setdefault(name, {})[place] = thing
    return offers, failures


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or place.startswith("~") or Path(place).is_file()


def _in_folders(path: Path, folders: Sequence[str | Path]) -> Path:
    if not path.exists() and not path.is_absolute():
        for folder in folders:
            if (Path(folder) / path).exists():
                return Path(folder) / path
    return path


def _is_kernel(thing: Any) -> bool:
    if isinstance(thing, KernelSpec):
        return True
    options = getattr(thing, "targetoptions", None)
    if type(thing).__name__ == "FakeCUDAKernel":
        return not getattr(thing, "_device", False)
    is_cuda = type(thing).__module__.startswith(("numba.cuda", "rkruntime.kernels"))
    return is_cuda and isinstance(getattr(thing, "py_func", None), FunctionType) and not (options or {}).get("device")


def _home(thing: Any) -> str:
    function = (
        thing.function if isinstance(thing, KernelSpec) else getattr(thing, "py_func", getattr(thing, "fn", None))
    )
    return str(getattr(function, "__module__", ""))


def _close(name: str, known: Sequence[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name, known, 3, 0.5))
