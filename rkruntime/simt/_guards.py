"""Guards at the beginning of a kernel become bounds of the loops over threads.

Most kernels begin with their thread's place and a guard: `if i < n:` around all the rest, or `if i >= n: return`. A
thread outside does nothing, so it need not be run; and with the guard gone from the loop, the loop vectorises. Guards
are taken only where that is the same for certain: what stands before them has no effects, what the index is compared
with is the same for all threads of a block, and nothing follows an `if` that is taken. What is not taken stays.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import attrs

from rkruntime.simt._define import defined
from rkruntime.simt._names import assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._rewrite import CONTEXT, Unit, called
from rkruntime.simt._stubs import END_OF_INDICES
from rkruntime.simt._uniform import Kind, Prefix, Value, is_pure

__all__ = ("Guarded", "hoist_guards")

# What a comparison `index OP bound` limits: the stub that makes the limit of the bound, and whether it is the first
# index that passes (else the end of those).
_LIMITS: Mapping[type[ast.cmpop], tuple[tuple[str, bool], ...]] = {
    ast.Lt: (("below", False),),
    ast.LtE: (("at_most", False),),
    ast.Gt: (("above", True),),
    ast.GtE: (("at_least", True),),
    ast.Eq: (("at_least", True), ("at_most", False)),
}
_DENIED: Mapping[type[ast.cmpop], tuple[tuple[str, bool], ...]] = {
    ast.Lt: (("not_below", True),),
    ast.LtE: (("not_at_most", True),),
    ast.Gt: (("not_above", False),),
    ast.GtE: (("not_at_least", False),),
    ast.NotEq: (("at_least", True), ("at_most", False)),
}
_MIRRORED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}


@attrs.frozen
class Term:
    """One part of a guard, which must be true (or false, if `denied`) for a thread to go on."""

    node: ast.expr
    denied: bool


@attrs.frozen
class Limit:
    """What one taken comparison says of a place or index along one axis."""

    kind: Kind
    axis: int
    stub: str
    lower: bool
    bound: ast.expr
    line: int
    text: str


@attrs.frozen(eq=False)
class Guarded:
    """A kernel's definition without the guards that were taken, and what they say.

    Args:
        tree: The definition.
        limits: The definition of `limits(ctx, *args)`, which returns 12 integers.
        notes: For people: one line for each taken comparison.
        within_block: Whether one of those concerned the thread's index in its block.
    """

    tree: ast.FunctionDef
    limits: ast.FunctionDef
    notes: tuple[str, ...]
    within_block: bool


def hoist_guards(unit: Unit, tree: ast.FunctionDef, *, take: bool = True) -> Guarded:
    """Take the guards that a kernel begins with.

    Args:
        unit: The kernel.
        tree: Its rewritten definition, which is changed.
        take: False leaves them all.
    """
    hoister = _Hoister(unit, tree)
    if take:
        hoister.scan()
        hoister.drop_unused()
    limits = hoister.limits_tree()
    notes = tuple(f"line {one.line}: `{one.text}` bounds the loop over {'xyz'[one.axis]}" for one in hoister.limits)
    tree.body = tree.body or [ast.Pass()]
    within_block = any(one.kind is Kind.THREAD for one in hoister.limits)
    return Guarded(ast.fix_missing_locations(tree), limits, notes, within_block)


class _Hoister:
    """Walks through the straight-line beginning of a kernel."""

    def __init__(self, unit: Unit, tree: ast.FunctionDef) -> None:
        self.tree = tree
        self.names = unit.names
        self.bound = assigned_names(tree)
        parameters = [one.arg for one in tree.args.args]
        self.prefix = Prefix(unit.names, frozenset(name for name in parameters if name not in self.bound))
        self.assignments: list[tuple[frozenset[str], ast.Assign]] = []
        self.limits: list[Limit] = []

    def scan(self) -> None:
        """Go on as long as statements have no effects; take guards on the way."""
        statements = self.tree.body
        k = 0
        while k < len(statements):
            statement = statements[k]
            if isinstance(statement, ast.If):
                taken = self._take(statement, k == len(statements) - 1)
                if taken is None:
                    return
                statements[k : k + 1] = taken
                if statement.body[-1:] and not _is_return(statement):
                    return
                k += len(taken)
                continue
            if not (isinstance(statement, ast.Pass) or _is_constant(statement) or self._note(statement)):
                return
            k += 1

    def _note(self, statement: ast.stmt) -> bool:
        """Learn what an assignment binds; false for another statement, or if it may have effects."""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return False
        target, value = statement.targets[0], self.prefix.value(statement.value)
        if isinstance(target, ast.Name):
            if value is None:
                return False
            self._learn({target.id: value}, statement, uniform=value.is_uniform)
            if value.kind is Kind.PLACE and isinstance(statement.value, ast.BinOp):
                place = f"place_{'xyz'[value.axis]}"
                statement.value = called(place, ast.Name(CONTEXT, ast.Load()), at=statement.value)
            return True
        if not isinstance(target, ast.Tuple) or not all(isinstance(one, ast.Name) for one in target.elts):
            return False
        names = [one.id for one in target.elts if isinstance(one, ast.Name)]
        values = self._unpacked(statement.value, value, len(names))
        if values is None:
            return False
        self._learn(dict(zip(names, values, strict=True)), statement, uniform=all(one.is_uniform for one in values))
        return True

    def _unpacked(self, node: ast.expr, value: Value | None, count: int) -> list[Value] | None:
        """Return what the parts of a tuple are."""
        if isinstance(node, ast.Tuple) and len(node.elts) == count:
            parts = [self.prefix.value(one) for one in node.elts]
            return [one for one in parts if one is not None] if None not in parts else None
        if value is not None and value.kind is Kind.GRID:
            return [Value(Kind.PLACE, axis) for axis in range(count)]
        if value is not None and isinstance(node, ast.Attribute) and node.attr == "shape":
            return [Value(Kind.UNIFORM)] * count
        return None

    def _learn(self, values: Mapping[str, Value], statement: ast.Assign, *, uniform: bool) -> None:
        """Note names that are bound here alone; of others nothing is known."""
        once = all(self.bound.get(name) == 1 for name in values)
        for name, value in values.items():
            self.prefix.known[name] = value if once else Value(Kind.OTHER)
        if uniform and once:
            self.assignments.append((frozenset(values), statement))

    def _take(self, guard: ast.If, is_last: bool) -> list[ast.stmt] | None:
        """Return what a guard leaves in its place, or None if it is none, or nothing of it can be taken."""
        returns = _is_return(guard)
        if not returns and (guard.orelse or not is_last):
            return None
        if returns and guard.orelse:
            return None
        terms = _terms(guard.test, denied=returns)
        if not all(is_pure(term.node, self.names) for term in terms):
            return None
        rest: list[Term] = []
        found: list[Limit] = []
        for term in terms:
            limits = self._limits_of(term)
            found += limits
            if not limits:
                rest.append(term)
        if not found:
            return [guard] if returns else None
        self.limits += found
        if returns:
            return [_rebuilt(guard, rest, ast.Or())] if rest else []
        return [_rebuilt(guard, rest, ast.And())] if rest else guard.body

    def _limits_of(self, term: Term) -> list[Limit]:
        """Return what a comparison of an index with a uniform bound limits; nothing for others."""
        node = term.node
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            return []
        left, right, operator = node.left, node.comparators[0], type(node.ops[0])
        index = self.prefix.value(left)
        if index is None or index.kind not in (Kind.PLACE, Kind.THREAD):
            left, right, operator = right, left, _MIRRORED.get(operator, ast.Is)
            index = self.prefix.value(left)
        bound = self.prefix.value(right)
        if index is None or index.kind not in (Kind.PLACE, Kind.THREAD) or bound is None or not bound.is_uniform:
            return []
        text = f"not {ast.unparse(node)}" if term.denied else ast.unparse(node)
        return [
            Limit(index.kind, index.axis, stub, lower, right, node.lineno, text)
            for stub, lower in (_DENIED if term.denied else _LIMITS).get(operator, ())
        ]

    def drop_unused(self) -> None:
        """Drop assignments that nothing reads any more: `tx = cuda.threadIdx.x`, once it has gone into a place."""
        dropped = True
        while dropped:
            read = {one.id for one in nodes_of(self.tree) if isinstance(one, ast.Name) and _is_read(one)}
            unused = [
                statement
                for statement in self.tree.body
                if isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Name)
                and statement.targets[0].id in self.prefix.known
                and self.bound[statement.targets[0].id] == 1
                and statement.targets[0].id not in read
            ]
            self.tree.body = [statement for statement in self.tree.body if statement not in unused]
            dropped = bool(unused)

    def limits_tree(self) -> ast.FunctionDef:
        """Write the function that computes the limits for one block."""
        at = self.tree
        needed = {name for limit in self.limits for name in _loaded(limit.bound)}
        body: list[ast.stmt] = []
        for names, statement in reversed(self.assignments):
            if names & needed:
                needed |= _loaded(statement.value)
                body.insert(0, statement)
        results = [
            self._combined(kind, axis, lower)
            for kind in (Kind.PLACE, Kind.THREAD)
            for axis in range(3)
            for lower in (True, False)
        ]
        body.append(ast.Return(ast.Tuple(list(results), ast.Load())))
        return defined(at.name, at.args, body, at)

    def _combined(self, kind: Kind, axis: int, lower: bool) -> ast.expr:
        """Write one of the twelve results: the tightest limit."""
        parts: list[ast.expr] = [
            called(one.stub, one.bound, at=one.bound)
            for one in self.limits
            if (one.kind, one.axis, one.lower) == (kind, axis, lower)
        ]
        if not parts:
            return ast.Constant(0 if lower else END_OF_INDICES)
        result = parts[0]
        for part in parts[1:]:
            result = called("largest" if lower else "smallest", result, part, at=part)
        return result


def _terms(test: ast.expr, *, denied: bool) -> Sequence[Term]:
    """Split a guard into parts that must all hold for a thread to go on."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _terms(test.operand, denied=not denied)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or if denied else ast.And):
        return [term for value in test.values for term in _terms(value, denied=denied)]
    if isinstance(test, ast.Compare) and len(test.ops) > 1 and not denied:
        sides = [test.left, *test.comparators]
        return [
            Term(ast.copy_location(ast.Compare(left, [op], [right]), test), False)
            for left, op, right in zip(sides, test.ops, sides[1:], strict=False)
        ]
    return [Term(test, denied)]


def _rebuilt(guard: ast.If, rest: Sequence[Term], joint: ast.boolop) -> ast.If:
    """Return the guard with the parts that were not taken."""
    wanted = isinstance(joint, ast.Or)  # an early return: it tests for the opposite
    tests = [one.node if one.denied == wanted else ast.UnaryOp(ast.Not(), one.node) for one in rest]
    test = tests[0] if len(tests) == 1 else ast.BoolOp(joint, tests)
    return ast.fix_missing_locations(ast.copy_location(ast.If(test, guard.body, []), guard))


def _is_return(guard: ast.If) -> bool:
    """Whether a guard does nothing but return."""
    return len(guard.body) == 1 and isinstance(guard.body[0], ast.Return)


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _loaded(node: ast.AST) -> set[str]:
    """Names that an expression reads."""
    return {one.id for one in nodes_of(node) if isinstance(one, ast.Name)}
