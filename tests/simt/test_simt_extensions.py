"""Functions given to the cuda target by numba's extension API."""

import json
import subprocess
import sys
from pathlib import Path

import numba.extending
import numpy as np
import pytest
from llvmlite import ir
from numba import cuda
from numba.core import errors, types
from numba.core.typing import signature
from numba.cuda import extending
from simt_launching import run

from rkruntime.errors import KernelCompileError


def scaled(x, by): ...


def place(x): ...


def told(x): ...


def untold(x): ...


def seen(x):
    if not isinstance(x, types.IntegerLiteral):
        return lambda x: x * 100
    if x.literal_value == 1:
        return lambda x: 7
    raise errors.TypingError("another literal")


extending.overload(told, prefer_literal=True)(seen)
extending.overload(untold)(seen)


@cuda.jit
def with_literals(x, out):
    out[0] = told(1)
    out[1] = told(2)
    out[2] = told(x)
    out[3] = untold(1)
    out[4] = untold(x)


@extending.overload(scaled)
def scaled_real(x, by):
    if isinstance(x, types.Float):
        return lambda x, by: x * by
    return None


@extending.overload(scaled)
def scaled_whole(x, by):
    if not isinstance(x, types.Integer):
        return None

    def scaled(x, by):
        return x * by + 100 * cuda.threadIdx.x

    return scaled


@numba.extending.overload(place, target="cuda")
def place_of(x):
    def place(x):
        return scaled(cuda.grid(1), x)

    return place


@extending.intrinsic
def flipped(typing_context, x):
    def codegen(context, builder, sig, args):
        return builder.xor(args[0], ir.Constant(args[0].type, -1))

    return signature(types.int64, types.int64), codegen


def within(x, limit): ...


@extending.overload(within)
def within_limit(x, limit):
    return lambda x, limit: x if not (x > limit or x < -limit) else (limit if x > limit else -limit)


@numba.extending.intrinsic(target="cuda")
def next_one(typing_context, x):
    def codegen(context, builder, sig, args):
        return builder.add(args[0], ir.Constant(args[0].type, 1))

    return signature(x, x), codegen


@cuda.jit
def with_conditions(out):
    i = cuda.grid(1)
    out[i] = within(next_one(i) - 4, 2)


def test_a_lambda_may_choose_and_numbas_intrinsics_may_be_for_cuda():
    out = np.zeros(8)
    run(with_conditions, 1, 8, out)
    np.testing.assert_array_equal(out, np.clip(np.arange(8) - 3, -2, 2))


def test_overloads_see_the_values_of_literals_where_they_ask_to():
    out = np.zeros(5)
    run(with_literals, 1, 1, 3, out)
    assert out.tolist() == [7, 200, 300, 100, 300]


def test_methods_and_attributes_of_the_cuda_target():
    """In a process of its own: they hold for all kernels of a process, which are then not kept on disk."""
    script = Path(__file__).with_name("simt_attributes.py")
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(told.stdout) == [6, 64]


def test_types_functions_and_operators_of_the_cuda_target():
    """In a process of its own, for the same reason."""
    script = Path(__file__).with_name("simt_user_types.py")
    command = [sys.executable, str(script), "loop", "fibers", "lanes"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "loop": ["alone", "with_overloads", "of_arrays"],
        "fibers": ["alone", "with_overloads", "together", "of_arrays"],
        "lanes": ["alone", "together", "of_arrays"],
        "refused": "cuda.threadIdx in an overload of the method, attribute or operator moved_by_thread",
    }


@cuda.jit
def extended(out):
    i = cuda.grid(1)
    out[i, 0] = scaled(1.5, by=2)
    out[i, 1] = scaled(i, 3)
    out[i, 2] = place(2)
    out[i, 3] = flipped(i)


def test_overloads_and_intrinsics_of_the_cuda_target():
    out = np.zeros((6, 4))
    run(extended, 2, 3, out)
    i, t = np.arange(6), np.arange(6) % 3
    np.testing.assert_array_equal(out.T, [np.full(6, 3.0), 3 * i + 100 * t, 2 * i + 100 * t, ~i])


@extending.intrinsic
def clock_of_gpu(typing_context):
    def codegen(context, builder, sig, args):
        assembly = ir.InlineAsm(ir.FunctionType(ir.IntType(64), []), "mov.u64 $0, %globaltimer;", "=l")
        return builder.call(assembly, [])

    return signature(types.int64), codegen


@extending.intrinsic
def register_of_gpu(typing_context):
    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(ir.Function(builder.module, kind, "llvm.nvvm.read.ptx.sreg.smid"), [])

    return signature(types.int32), codegen


@extending.intrinsic
def nowhere_defined(typing_context):
    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(ir.Function(builder.module, kind, "defined_in_cuda_alone"), [])

    return signature(types.int32), codegen


def of_gpu(intrinsic):
    @cuda.jit
    def kernel(out):
        out[0] = intrinsic()

    return kernel


@pytest.mark.parametrize(
    ("intrinsic", "named"),
    [
        (clock_of_gpu, "inline assembly"),
        (register_of_gpu, "llvm.nvvm.read.ptx.sreg.smid"),
        (nowhere_defined, "defined_in_cuda_alone"),
    ],
    ids=["assembly", "nvvm", "undefined"],
)
def test_intrinsics_for_gpus_alone_are_refused_where_llvm_would_end_the_process(intrinsic, named):
    with pytest.raises(KernelCompileError, match=named) as caught:
        run(of_gpu(intrinsic), 1, 1, np.zeros(1))
    assert caught.value.file == __file__
