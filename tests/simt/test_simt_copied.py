"""Copies of syntax trees are equal to their originals, and share no part of them that has parts."""

import ast
import inspect

import pytest

from rkruntime.simt import _copied, _rewrite, _schedule


@pytest.mark.parametrize("module", [_copied, _rewrite, _schedule])
def test_a_copy_is_the_same_and_shares_nothing_that_can_change(module):
    tree = ast.parse(inspect.getsource(module))
    made = _copied.copied(tree)
    assert ast.dump(made, include_attributes=True) == ast.dump(tree, include_attributes=True)
    alike = {id(node) for node in ast.walk(tree)} & {id(node) for node in ast.walk(made)}
    assert not alike
    lists = [value for node in ast.walk(made) for value in vars(node).values() if isinstance(value, list)]
    assert lists
    originals = {id(value) for node in ast.walk(tree) for value in vars(node).values() if isinstance(value, list)}
    assert not originals & set(map(id, lists))
