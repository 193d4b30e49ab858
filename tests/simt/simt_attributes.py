"""Run a kernel that uses a method and an attribute given to the cuda target, and print what it wrote."""

import json

import numpy as np
from numba import cuda
from numba.core import types
from numba.cuda import extending
from simt_launching import run


@extending.overload_method(types.Array, "first_times")
def first_times(array, by):
    return lambda array, by: array[0, 3] * by


@extending.overload_attribute(types.Array, "rows_and_columns")
def rows_and_columns(array):
    return lambda array: array.shape[0] * 10 + array.shape[1]


@cuda.jit
def with_attributes(out):
    out[0, 0] = out.first_times(2)
    out[0, 1] = out.rows_and_columns


if __name__ == "__main__":
    out = np.full((6, 4), 3.0)
    run(with_attributes, 1, 1, out)
    print(json.dumps(out[0, :2].tolist()))
