"""Kernels with the author's own overloads and intrinsics on disk: found again until what these name changes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("untraced")

SCRIPT = """
import json, os
from enum import Enum
import numpy as np
from llvmlite import ir
from numba import cuda
from numba.core import types
from numba.core.typing import signature
from numba.cuda import extending
from rkruntime import simt

FACTOR = 2
TABLE = np.arange(4.0)
CHANGING = {}

class Own:
    factor = 2

@cuda.jit(device=True)
def helper(x):
    return x + 1

def scaled(x, by=1): ...

def moved(x): ...

def maker(offset):
    def moved_by(x):
        return lambda x: x + offset + TABLE[1]
    return moved_by

extending.overload(moved)(maker(10))

@extending.overload(scaled)
def scale(x, by=1):
    if not isinstance(x, types.Float):
        return None
    def scaled(x, by=1):
        return helper(x) * FACTOR * by + moved(x) + cuda.threadIdx.x
    return scaled

@extending.intrinsic
def next_one(typing_context, x):
    def codegen(context, builder, sig, args):
        return builder.add(args[0], ir.Constant(args[0].type, 1))
    return signature(x, x), codegen

@cuda.jit
def kernel(out):
    i = cuda.grid(1)
    out[next_one(i) - 1] = scaled(out[i], 3)

out = np.array([0.5, 1.5])
special = simt.Kernel(kernel).specialize((out,))
simt.run(special, 1, 2, (out,))
print(json.dumps([special.compile_s > 0, out.tolist()]))
"""
RESULT = [0.5 + 11 + 1.5 * 6, 1.5 + 11 + 2.5 * 6 + 1]


REGISTERED = """
import json, operator
import numpy as np
from numba import cuda
from numba.cuda import extending, types
from rkruntime import simt

class Span: ...

class SpanType(types.Type):
    def __init__(self):
        super().__init__(name="Span")

span_type = SpanType()

@extending.typeof_impl.register(Span)
def type_of_span(value, context):
    return span_type

@extending.register_model(SpanType)
class SpanModel(extending.core_models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("low", types.float64), ("high", types.float64)])

extending.make_attribute_wrapper(SpanType, "low", "low")

# more

@cuda.jit
def plain(out):
    out[cuda.grid(1)] += 1

@cuda.jit
def holds_spans(out):
    own = cuda.local.array(2, span_type)
    out[cuda.grid(1)] += own.size

out = np.zeros(2)
compiled = []
for kernel in (plain, holds_spans):
    special = simt.Kernel(kernel).specialize((out,))
    simt.run(special, 1, 2, (out,))
    compiled.append(special.compile_s > 0)
print(json.dumps([compiled, out.tolist()]))
"""


def run(folder: Path, *changes: tuple[str, str], text: str = SCRIPT) -> list:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "script.py").write_text(text)
    environment = {**os.environ, "RKRUNTIME_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_with_overloads_and_intrinsics_are_found_until_what_they_name_changes(tmp_path):
    assert run(tmp_path) == [True, RESULT]
    assert run(tmp_path) == [False, RESULT]
    for change, wanted in (
        (("FACTOR = 2", "FACTOR = 4"), [0.5 + 11 + 1.5 * 12, 1.5 + 11 + 2.5 * 12 + 1]),
        (("maker(10)", "maker(20)"), [one + 10 for one in RESULT]),
        (("return x + 1\n", "return x + 2\n"), [one + 6 for one in RESULT]),
        (("np.arange(4.0)", "np.arange(4.0) + 1"), [one + 1 for one in RESULT]),
        (("by + moved", "by - moved"), [1.5 * 6 - 11.5, 2.5 * 6 - 12.5 + 1]),
        (("x, x), codegen", "types.int64, x), codegen"), RESULT),
    ):
        assert run(tmp_path, change) == [True, wanted], change
    assert run(tmp_path) == [False, RESULT]


@pytest.mark.parametrize(
    "changes",
    [
        [("        return None\n", "        return None\n    CHANGING.get(x)\n")],
        [("        return None\n", "        return None\n    os.environ.get('HOME')\n")],
        [("        return None\n", "        return None\n    Own.factor\n")],
    ],
    ids=["dictionary", "environment", "class"],
)
def test_what_names_anything_that_may_change_is_compiled_in_each_process(tmp_path, changes):
    for _ in range(2):
        assert run(tmp_path, *changes) == [True, RESULT]


def test_types_of_ones_own_are_for_kernels_that_name_them_and_leave_others_on_disk(tmp_path):
    assert run(tmp_path, text=REGISTERED) == [[True, True], [3.0, 3.0]]
    assert run(tmp_path, text=REGISTERED) == [[False, True], [3.0, 3.0]]


@pytest.mark.parametrize(
    "more",
    [
        "extending.overload(operator.add)(lambda one, other: None)",
        "extending.overload_attribute(types.Array, 'own')(lambda array: lambda array: array.size)",
    ],
    ids=["operator", "attribute"],
)
def test_what_is_registered_for_numbas_own_types_may_be_for_every_kernel(tmp_path, more):
    for _ in range(2):
        assert run(tmp_path, ("# more", more), text=REGISTERED) == [[True, True], [3.0, 3.0]]
