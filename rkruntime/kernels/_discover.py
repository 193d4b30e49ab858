"""Find kernels by what people write: `file.py:kernel`, `package.module:kernel`, or the name of an installed one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

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
            a kernel in `folders` or in an installed package that offers kernels (entry points `rkruntime.kernels`).
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
    """Return every kernel that `find` knows by its bare name: those in `folders`, then those of installed packages."""
    known: dict[str, KernelSpec] = {}
    for module in _offered(folders):
        for name, thing in kernels_in(module).items():
            known.setdefault(name, as_spec(thing))
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


def _find_offered(name: str, folders: Sequence[str | Path]) -> KernelSpec:
    names: list[str] = []
    for module in _offered(folders):
        kernels = kernels_in(module)
        if name in kernels:
            return as_spec(kernels[name])
        names += [each for each in kernels if each not in names]
    where = "the installed kernels" + "".join(f", {folder}" for folder in folders)
    raise KernelNotFound(name, where, tuple(names), _close(name, names))


def _offered(folders: Sequence[str | Path]) -> Iterator[ModuleType]:
    for folder in folders:
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise NotAKernelFile(str(folder), "there is no such folder")
        for file in sorted(path.glob("*.py")):
            if not file.name.startswith("_"):
                yield load_file(file)
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        yield load_module(entry.module)


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
