"""The rewriting that both lowerings share: features of numba.cuda become calls of our functions, with a hidden `ctx`.

`cuda.threadIdx.x` becomes `_rk_thread_idx(_rk_ctx, 0)`, and so on by the table in `_features`. Device functions get the
same treatment and the same hidden parameter. What a name stands for is looked up, so aliases and imports of any kind
are the same; a feature that is not known raises, so that nothing is compiled to something else than it says.
"""

from __future__ import annotations

import ast
import math
import re
from types import FunctionType, ModuleType
from typing import Any

import attrs
import numpy as np

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt._captured import captured
from rkruntime.simt._choices import number_choices
from rkruntime.simt._copied import copied
from rkruntime.simt._dates import constant_dates
from rkruntime.simt._define import defined
from rkruntime.simt._extensions import extension_of, intrinsic_of
from rkruntime.simt._features import AXES, Category, Feature, Unsupported, feature_of
from rkruntime.simt._generators import with_states_held
from rkruntime.simt._linked import IN_PYTHON, Linked, is_linked
from rkruntime.simt._names import UNKNOWN, Names, assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._objects import is_plain, item_bytes, of_numba_cuda
from rkruntime.simt._options import PLAIN, Options
from rkruntime.simt._outside import with_threads_ended
from rkruntime.simt._program import CONTEXT, PREFIX, Later, Program, Unit, called
from rkruntime.simt._read import Source, plain_function, read, refuse
from rkruntime.simt._shifting import with_shifts_called
from rkruntime.simt._sizes import check_alignment, check_sizes
from rkruntime.simt._stand_ins import StandIn, stand_in_for
from rkruntime.simt._variants import bound_to, is_bindable, signatures_of, variant_of
from rkruntime.simt._watching import watched_atomic, watched_subscript

__all__ = ("CONTEXT", "PREFIX", "Program", "Unit", "called", "rewrite")


def rewrite(kernel: FunctionType, name: str, options: Options = PLAIN, *, device: bool = False) -> Program:
    """Read and rewrite a kernel and the device functions that it reaches.

    Args:
        kernel: The plain function.
        name: What errors call it.
        options: What to check.
        device: Whether it is a device function, which may return a value.

    Raises:
        UnsupportedKernel: It cannot be read, or uses what the CPU compiler cannot take.
    """
    units: dict[FunctionType, Unit] = {}
    waiting = [kernel]
    sites = iter(range(1 << 30))
    while waiting:
        function = waiting.pop()
        if function in units:
            continue
        source = read(function, name, device=device or function is not kernel)
        source = number_choices(source, Names(function, source.tree, bound_to(function)), is_bindable)
        if options.ends_threads and function is kernel:
            source = with_threads_ended(source)
        if not options.checks_subscripts:
            source = with_states_held(source)
        rewriter = _Rewriter(source, sites, options)
        unit = units[function] = rewriter.run()
        if function is kernel and not device:
            _check_kernel(source)
        waiting.extend(unit.devices.values())
        check_sizes(units.values(), unit)
    return Program(units)


def _check_kernel(source: Source) -> None:
    """Refuse what is allowed in device functions alone."""
    nested = {inner for node in nodes_of(source.tree) if _is_nested(node, source) for inner in nodes_of(node)}
    for node in nodes_of(source.tree):
        if isinstance(node, ast.Return) and node not in nested:
            value = node.value
            if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
                raise refuse(source, node, "a kernel returns a value", "write the result to an array argument")


def _is_nested(node: ast.AST, source: Source) -> bool:
    return isinstance(node, ast.FunctionDef | ast.Lambda) and node is not source.tree


class _Rewriter(ast.NodeTransformer):
    """Rewrites one function; the tree that it was given is left as it is."""

    def __init__(self, source: Source, sites: Any, options: Options) -> None:
        self.source = source
        self.names = Names(source.function, source.tree, {**bound_to(source.function), **source.known})
        self.sites = sites
        self.options = options
        self.unit = Unit(source, source.tree, self.names)

    def run(self) -> Unit:
        """Rewrite the definition."""
        original = self.source.tree
        fixed = self.names.fixed_statements
        body = [copied(statement) for statement in original.body if statement not in fixed]
        arguments = copied(original.args)
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            one.annotation = None
        arguments.posonlyargs, arguments.args = [], [*arguments.posonlyargs, *arguments.args]
        arguments.defaults = [self._default(node, k) for k, node in enumerate(arguments.defaults)]
        rewritten = [changed for statement in body if (changed := self.visit(statement)) is not None]
        if not rewritten or all(map(_is_docstring, rewritten)):
            rewritten.append(ast.Pass())
        arguments.args.insert(0, ast.arg(CONTEXT))
        made = defined(original.name, arguments, rewritten, original)
        self.unit.tree = with_shifts_called(made, self.names)
        return self.unit

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Bind a name, or replace it where it stands for a feature."""
        if not isinstance(node.ctx, ast.Load) or self.names.is_local(node.id):
            return node
        value = self.names.value(node.id)
        if value is UNKNOWN:
            return node  # numba names it, with the line
        replaced = self._replace(node, value)
        if replaced is not None:
            return replaced
        name = f"{PREFIX}bound_{node.id}" if node.id in self.names.parameters else node.id
        self.unit.globals[name] = value
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replace `cuda.threadIdx.x` and the like."""
        if isinstance(node.ctx, ast.Load):
            owner = self.names.evaluate(node.value)
            feature = feature_of(owner)
            if isinstance(feature, Feature) and feature.form == "extent":
                if node.attr not in AXES:
                    raise self._refuse(node, f"{feature.spelling}.{node.attr}", "it has x, y and z")
                return self._use(feature, node, ast.Constant(AXES.index(node.attr)))
            if isinstance(owner, ModuleType | type):
                return self._member(node, owner)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Replace calls of features and of device functions."""
        value = self.names.evaluate(node.func)
        feature = None if value is UNKNOWN else feature_of(value)
        if isinstance(feature, Feature) and feature.form not in ("extent", "value", "constant"):
            return self._call_feature(feature, node)
        extension = None if value is UNKNOWN or stand_in_for(value) else extension_of(value)
        if extension is not None:
            return self._call_extension(extension, node)
        device = None if value is UNKNOWN else self._device(value)
        if device is None:
            self.generic_visit(node)
            return node
        device, given = self._bind_arguments(device, node)
        args = [self.visit(one) for one in given.args]
        keywords = [ast.keyword(one.arg, self.visit(one.value)) for one in given.keywords]
        function = ast.Name(self._name_device(device), ast.Load())
        made = ast.Call(function, [ast.Name(CONTEXT, ast.Load()), *args], keywords)
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def _call_extension(self, extension: StandIn, node: ast.Call) -> ast.Call:
        """Call a function that has overloads for the cuda target: they may use the context."""
        args = [self.visit(one) for one in node.args]
        keywords = [ast.keyword(one.arg, self.visit(one.value)) for one in node.keywords]
        made = ast.Call(self._put(extension, node), [ast.Name(CONTEXT, ast.Load()), *args], keywords)
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def _put(self, stand_in: StandIn, node: ast.expr) -> ast.Name:
        """Name what stands in for an object."""
        name = f"{PREFIX}in_place_of_{re.sub('[^A-Za-z0-9_]', '_', stand_in.spelling)}"
        while self.unit.stand_ins.setdefault(name, stand_in) is not stand_in:
            name += "_"
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _bind_arguments(self, device: FunctionType, node: ast.Call) -> tuple[FunctionType, ast.Call]:
        """Bind parameters of a device function to the functions, features and types that it is called with.

        The device function gets a variant of its own for them, in which they are as known as globals are, and constants
        beside them too. Those are still passed; what no compiled code can hold is not.
        """
        tree = read(device, self.source.name, device=True)
        assigned = assigned_names(tree.tree)
        by_name = ((one.arg or "", one.value) for one in node.keywords)
        places = [*zip(tree.parameters, node.args, strict=False), *by_name]
        known = {name: self.names.evaluate(given) for name, given in places if name not in assigned}
        bound = {name: value for name, value in known.items() if is_bindable(value)}
        if not bound:
            return device, node
        constants = {name: value for name, value in known.items() if isinstance(value, int | tuple | str)}
        nothing = ast.copy_location(ast.Constant(None), node)
        names = [*tree.parameters, *[""] * len(node.args)]
        args = [nothing if name in bound else given for name, given in zip(names, node.args, strict=False)]
        keywords = [ast.keyword(one.arg, nothing if one.arg in bound else one.value) for one in node.keywords]
        made = ast.copy_location(ast.Call(node.func, args, keywords), node)
        return variant_of(device, {**constants, **bound}), made

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Check subscripts, if that is wanted."""
        self.generic_visit(node)
        return watched_subscript(node, self.names) if self.options.checks_subscripts else node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        """Hold an f-string to values that numba can write."""
        if node.format_spec is not None or node.conversion not in (-1, ord("s")):
            mend = "give the value itself to print, as in print('x is', x)"
            raise self._refuse(node, f"an f-string with a format, {ast.unparse(node.value)}", mend)
        node.value = self.visit(ast.copy_location(ast.Call(ast.Name("str", ast.Load()), [node.value], []), node.value))
        return ast.fix_missing_locations(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Hold a handler to what numba compiles: one for all that is raised, which cannot look at it."""
        if node.name is not None:
            raise self._refuse(node, f"except ... as {node.name}", "write `except Exception:`, without a name")
        if node.type is not None and self.names.evaluate(node.type) is not Exception:
            raise self._refuse(node, f"except {ast.unparse(node.type)}", "write `except Exception:`, which takes all")
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        """Leave annotations out: numba infers types by itself."""
        if node.value is None:
            return None
        made = ast.Assign([self.visit(node.target)], self.visit(node.value))
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def _default(self, node: ast.expr, k: int) -> ast.expr:
        """Bind a parameter's default value, which was computed when the function was defined."""
        name = f"{PREFIX}default_{k}"
        self.unit.globals[name] = (self.source.function.__defaults__ or ())[k]
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _member(self, node: ast.Attribute, owner: ModuleType | type) -> ast.expr:
        """Rewrite an attribute of a module or class."""
        value = getattr(owner, node.attr, UNKNOWN)
        replaced = None if value is UNKNOWN else self._replace(node, value)
        if replaced is not None:
            return replaced
        if of_numba_cuda(owner):
            if not is_plain(value):
                spelling = f"{getattr(owner, '__name__', owner)}.{node.attr}".replace("numba.cuda", "cuda", 1)
                raise self._refuse(
                    node, spelling, "leave it to the host, or see docs/guide/kernels.md for what kernels may use"
                )
            name = f"{PREFIX}value_{node.attr}"
            self.unit.globals[name] = value
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        self.unit.members[ast.unparse(node)] = value
        self.generic_visit(node)
        return node

    def _replace(self, node: ast.expr, value: Any) -> ast.expr | None:
        """Return what stands for a feature that is used without a call, or None where `value` is no feature."""
        stand_in = stand_in_for(value) or intrinsic_of(value)
        if stand_in is not None:
            return self._put(stand_in, node)
        array = captured(value) or constant_dates(value)
        if array is not None:
            return ast.copy_location(ast.Call(self._put(array, node), [], []), node)
        if is_linked(value):
            construct = f"a call of {value.name}, which is linked from CUDA C++ or PTX"
            raise Linked(self.source.name, construct, self.source.file, node.lineno, IN_PYTHON)
        feature = feature_of(value)
        if isinstance(feature, Unsupported):
            raise self._refuse(node, feature.spelling, feature.mend)
        if feature is not None:
            if feature.form == "constant":
                return ast.copy_location(ast.Constant(32), node)
            if feature.form == "value":
                return self._use(feature, node)
            if feature.form == "extent":
                return self._use(attrs.evolve(feature, name=feature.name + "_3"), node)
            raise self._refuse(
                node, f"{feature.spelling} without a call", f"call {feature.spelling} where it is needed"
            )
        if self._device(value) is not None:
            mend = "call the device function, or pass it to one"
            raise self._refuse(node, f"the device function {value.__name__} used as a value", mend)
        return None

    def _use(self, feature: Feature, node: ast.AST, *args: ast.expr) -> ast.Call:
        """Note a feature, and make the call that stands for it."""
        line = getattr(node, "lineno", 0)
        self.unit.features.setdefault(feature, line)
        context: tuple[ast.expr, ...] = (ast.Name(CONTEXT, ast.Load()),) if feature.takes_ctx else ()
        if self.options.debug and feature.category is Category.BARRIER:
            context = (called("arriving", *context, ast.Constant(line), at=node),)
        return called(feature.name, *context, *args, at=node)

    def _call_feature(self, feature: Feature, node: ast.Call) -> ast.Call:
        args = self._arguments(feature, node)
        if feature.form == "grid":
            axes = self.names.evaluate(args[0])
            if axes not in (1, 2, 3):
                raise self._refuse(node, f"{feature.spelling} takes the number 1, 2 or 3", "write the number itself")
            return self._use(attrs.evolve(feature, name=f"{feature.name}_{axes}"), node)
        if feature.form == "array":
            return self._make_array(feature, node, *args)
        visited = [self.visit(one) for one in args]
        if self.options.checks_subscripts and feature.category is Category.ATOMIC:
            first = 2 if "index" in (feature.parameters or ()) else 1
            visited[:first] = watched_atomic(visited[0], visited[1] if first == 2 else None, self.names, node)
        if feature.form == "site":
            visited.append(ast.Constant(next(self.sites)))
        return self._use(feature, node, *visited)

    def _arguments(self, feature: Feature, node: ast.Call) -> list[ast.expr]:
        """Return a call's arguments by position, with defaults filled in."""
        parameters = [one.partition("=")[0] for one in feature.parameters or ()]
        given: dict[str, ast.expr] = dict(zip(parameters, node.args, strict=False))
        for keyword in node.keywords:
            given[keyword.arg or "**"] = keyword.value
        for one in feature.parameters or ():
            name, _, default = one.partition("=")
            if default:
                given.setdefault(name, ast.copy_location(ast.parse(default, mode="eval").body, node))
        if len(node.args) > len(parameters) or set(given) != set(parameters) or any(map(_is_starred, node.args)):
            raise self._refuse(
                node, f"{feature.spelling} with {ast.unparse(node)}", f"it takes {', '.join(feature.parameters or ())}"
            )
        return [given[name] for name in parameters]

    def _make_array(
        self, feature: Feature, node: ast.Call, shape: ast.expr, dtype: ast.expr, alignment: ast.expr
    ) -> ast.Call:
        bytes_ = self.names.evaluate(alignment)
        check_alignment(self.source, node, feature.spelling, bytes_)
        known = self.names.evaluate(shape)
        extents = known if isinstance(known, tuple) else (known,)
        if not extents or not all(isinstance(one, int | np.integer) and one >= 0 for one in extents):
            raise self._refuse(
                node,
                f"{feature.spelling} with a shape that is known only when the kernel runs",
                "give integers, global constants or closure variables as the shape",
            )
        text = ast.Constant(",".join(str(int(one)) for one in extents) + (f"@{bytes_}" if bytes_ else ""))
        element, count = self.names.evaluate(dtype), math.prod(int(one) for one in extents)
        if feature.category is Category.SHARED:
            if element is UNKNOWN:
                self.unit.shared_later.append(Later(count, dtype, node.lineno))
            else:
                self.unit.shared_bytes += count * item_bytes(element, otherwise=0)
            return self._use(feature, node, ast.Constant(next(self.sites)), text, self._dtype(dtype))
        self.unit.local_bytes += count * item_bytes(element)
        return self._use(feature, node, text, self._dtype(dtype))

    def _dtype(self, node: ast.expr) -> ast.expr:
        """Return the expression of an array's element type; where it is known, bound under a name of ours."""
        value = self.names.evaluate(node)
        if value is UNKNOWN or isinstance(value, str):
            return self.visit(node)  # type: ignore[no-any-return]
        name = f"{PREFIX}dtype_{len(self.unit.globals)}"
        self.unit.globals[name] = value
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def _device(self, value: Any) -> FunctionType | None:
        """Return the function behind a dispatcher that can be read, else None."""
        function = None if isinstance(value, FunctionType) else plain_function(value)
        if function is None:
            return None
        if type(value).__module__.startswith("numba.cuda"):
            return variant_of(function, {}, signatures_of(value))
        try:
            read(function, self.source.name, device=True)
        except UnsupportedKernel:
            return None  # numba.njit functions may stay as they are
        return function

    def _name_device(self, function: FunctionType) -> str:
        for name, known in self.unit.devices.items():
            if known is function:
                return name
        name = f"{PREFIX}device_{len(self.unit.devices)}_{function.__name__}"
        self.unit.devices[name] = function
        return name

    def _refuse(self, node: ast.AST, construct: str, mend: str) -> UnsupportedKernel:
        return refuse(self.source, node, construct, mend)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_starred(node: ast.expr) -> bool:
    return isinstance(node, ast.Starred)
