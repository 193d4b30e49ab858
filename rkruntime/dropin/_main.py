"""`python -m rkruntime.dropin`: run a script, or a module, unchanged."""

from __future__ import annotations

import argparse
import atexit
import io
import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from rkruntime.dropin._install import install, report

__all__ = ("main",)

PROGRAM = "python -m rkruntime.dropin"


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line names, as `python` would run it: same `sys.argv`, `sys.path`, exit code, traceback.

    Args:
        argv: Arguments after the program's name; by default those of this process.
    """
    options = _parse(list(sys.argv[1:] if argv is None else argv))
    _show_only_frames_of_the_script()
    if options.report:
        atexit.register(lambda: sys.stderr.write(f"{report()}\n"))
    if options.module is not None:
        _run_module(options.module, options.rest)
    else:
        _run_script(options.rest[0], options.rest[1:])


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Split our options from the script and its arguments, which begin at the first word that is no option."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Run a program that uses numba.cuda, unchanged, on the CPU.",
        usage="%(prog)s [--report] (SCRIPT | -m MODULE) [ARGS ...]",
    )
    parser.add_argument("--report", action="store_true", help="at exit, list kernels, lowering, launches and time")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module as a script")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="SCRIPT ARGS")
    options = parser.parse_args(arguments)
    if options.module is None and not options.rest:
        parser.error("a script or -m MODULE is needed")
    return options


def _run_script(given: str, arguments: Sequence[str]) -> None:
    path = os.path.abspath(given)
    sys.argv = [given, *arguments]
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        install()
        runpy.run_path(path, run_name="__main__")
        return
    sys.path[0] = os.path.dirname(path)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        _give_up(f"can't open file {path!r}: {error.strerror}", 2)
    code = compile(source, path, "exec", dont_inherit=True)
    _run_as_main(code, {"__file__": path, "__builtins__": __builtins__})


def _run_module(name: str, arguments: Sequence[str]) -> None:
    sys.argv = ["-m", *arguments]
    sys.path[0] = os.getcwd()
    spec = _spec_of(name)
    sys.argv[0] = spec.origin or name
    code: CodeType | None = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    if code is None:
        _give_up(f"no code object available for {name}", 1)
    attributes = {
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
        "__builtins__": __builtins__,
    }
    _run_as_main(code, attributes)


def _spec_of(name: str) -> ModuleSpec:
    """Find a module, or the `__main__` of a package."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.submodule_search_locations is not None:
        inner = find_spec(f"{name}.__main__")
        if inner is None:
            _give_up(f"No module named {name}.__main__; {name!r} is a package and cannot be directly executed", 1)
        spec = inner
    if spec is None or not hasattr(spec.loader, "get_code"):
        _give_up(f"No module named {name}", 1)
    return spec


def _run_as_main(code: CodeType, attributes: dict[str, Any]) -> None:
    """Run code as the module `__main__`, which stays: threads and exit functions of the program still use it."""
    install()
    module = ModuleType("__main__")
    module.__dict__.update(attributes)
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


def _give_up(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{sys.executable}: {message}\n")
    raise SystemExit(status)


def _show_only_frames_of_the_script() -> None:
    """Leave out of an uncaught error's traceback the frames that led to the program."""
    show = sys.excepthook
    own = os.path.dirname(__file__)

    def show_rest(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        rest = frames
        while rest is not None and (
            rest.tb_frame.f_code.co_filename.startswith((own, "<frozen runpy>"))
            or rest.tb_frame.f_code.co_filename == runpy.__file__
        ):
            rest = rest.tb_next
        if show is sys.__excepthook__:
            sys.stderr.writelines(traceback.format_exception(kind, error, rest))
        else:
            show(kind, error, rest)

    sys.excepthook = show_rest
