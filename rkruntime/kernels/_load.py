"""Import kernel files and modules, on machines with and without a GPU.

numba-cuda compiles kernels with a signature of their own (`@cuda.jit("void(float32[:])")`,
`@vectorize(..., target="cuda")`) while their file is imported, and raises where there is no driver. While a kernel
file is imported on such a machine, these decorators are held back: they keep the signatures, and the kernel is compiled
when it is launched.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from rkruntime.errors import NotAKernelFile, RkError
from rkruntime.kernels._elementwise import ElementwiseKernel
from rkruntime.kernels._spec import KEPT_SIGNATURES

__all__ = ("load_file", "load_module")

_LOCK = threading.RLock()  # decorators are held back for the whole process, so one file at a time
_FILES: dict[Path, tuple[int, ModuleType]] = {}


def load_file(path: Path) -> ModuleType:
    """Import a file as Python, once as long as it does not change.

    Raises:
        NotAKernelFile: It is not there, no Python, or raises while it is imported.
    """
    path = path.resolve()
    if not path.is_file():
        raise NotAKernelFile(str(path), "it is a folder" if path.is_dir() else "there is no such file")
    if path.suffix != ".py":
        raise NotAKernelFile(str(path), f"its name ends in {path.suffix or 'nothing'}, not in .py")
    with _LOCK:
        changed = path.stat().st_mtime_ns
        kept = _FILES.get(path)
        if kept is None or kept[0] != changed:
            kept = _FILES[path] = (changed, _import_file(path))
        return kept[1]


def load_module(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        NotAKernelFile: There is none, or it raises while it is imported.
    """
    if name in sys.modules:
        return sys.modules[name]
    with _LOCK, _without_driver():
        return _guarded(name, lambda: importlib.import_module(name))


def _import_file(path: Path) -> ModuleType:
    name = f"rk_kernel_file_{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def run() -> ModuleType:
        sys.modules[name] = module  # numba and pickle look functions' modules up by name
        sys.path.insert(0, str(path.parent))
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        finally:
            sys.path.remove(str(path.parent))
        return module

    with _without_driver():
        return _guarded(str(path), run)


def _guarded(what: str, run: Callable[[], ModuleType]) -> ModuleType:
    try:
        return run()
    except RkError:
        raise
    except SyntaxError as error:
        raise NotAKernelFile(what, f"line {error.lineno}: {error.msg}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise NotAKernelFile(what, f"it is no text of Python: {error}") from error
    except Exception as error:  # whatever the file's own code raises
        raise NotAKernelFile(what, f"importing it raised {type(error).__name__}: {error}") from error
    except SystemExit as error:
        raise NotAKernelFile(what, f"importing it ends the program (exit {error.code})") from error


@contextmanager
def _without_driver() -> Iterator[None]:
    """Hold back decorators that need a driver, where there is none; restored at the end."""
    numba: Any = importlib.import_module("numba")
    cuda: Any = importlib.import_module("numba.cuda")
    decorators: Any = importlib.import_module("numba.np.ufunc.decorators")
    if numba.config.ENABLE_CUDASIM or cuda.is_available():
        yield
        return
    changed = [(cuda, "jit", _late_jit(cuda.jit))]
    for name in ("vectorize", "guvectorize"):
        late = _late_vectorize(getattr(numba, name), generalized=name == "guvectorize")
        changed += [(numba, name, late), (decorators, name, late)]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in changed]
    for owner, name, late in changed:
        setattr(owner, name, late)
    try:
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


def _late_jit(jit: Any) -> Any:
    """Return `cuda.jit` that keeps signatures on the kernel in place of compiling for them."""
    sigutils: Any = importlib.import_module("numba.core.sigutils")

    def late(func_or_sig: Any = None, *args: Any, **options: Any) -> Any:
        listed = isinstance(func_or_sig, list)
        if not listed and (func_or_sig is None or not sigutils.is_signature(func_or_sig)):
            return jit(func_or_sig, *args, **options)
        types = tuple(sigutils.normalize_signature(each)[0] for each in (func_or_sig if listed else [func_or_sig]))
        decorate = jit(None, *args, **options)

        def keep(function: Any) -> Any:
            dispatcher = decorate(function)
            setattr(dispatcher, KEPT_SIGNATURES, types)
            return dispatcher

        return keep

    return late


def _late_vectorize(vectorize: Any, *, generalized: bool) -> Any:
    """Return numba's `vectorize` that makes an `ElementwiseKernel` where the target is CUDA."""

    def late(*args: Any, **options: Any) -> Any:
        if options.get("target") != "cuda":
            return vectorize(*args, **options)
        on_host = {key: value for key, value in options.items() if key != "target"}
        if generalized:  # has a shape signature of its own, so it stays a function for the host
            return vectorize(*args, **on_host)
        return lambda function: ElementwiseKernel(function, vectorize(*args, **on_host)(function))

    return late
