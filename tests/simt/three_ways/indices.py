"""Where a thread stands."""

import numpy as np
from numba import cuda

from three_ways.case import Case


@cuda.jit
def one_dimension(out):
    i = cuda.grid(1)
    out[i, 0] = i
    out[i, 1] = cuda.gridsize(1)
    out[i, 2] = cuda.threadIdx.x + 100 * cuda.threadIdx.y
    out[i, 3] = cuda.blockIdx.x + 100 * cuda.blockIdx.y
    out[i, 4] = cuda.blockDim.x + 100 * cuda.blockDim.y
    out[i, 5] = cuda.gridDim.x + 100 * cuda.gridDim.y
    out[i, 6] = cuda.laneid
    out[i, 7] = cuda.warpsize


@cuda.jit
def two_dimensions(out):
    i, j = cuda.grid(2)
    width, height = cuda.gridsize(2)
    if i < out.shape[0] and j < out.shape[1]:
        out[i, j, 0] = i + 1000 * j
        out[i, j, 1] = width + 1000 * height
        out[i, j, 2] = cuda.threadIdx.y + 100 * cuda.blockIdx.y
        out[i, j, 3] = cuda.blockDim.y + 100 * cuda.gridDim.y
        out[i, j, 4] = cuda.laneid


@cuda.jit
def three_dimensions(out):
    i, j, k = cuda.grid(3)
    width, height, depth = cuda.gridsize(3)
    out[i, j, k, 0] = i + 100 * j + 10_000 * k
    out[i, j, k, 1] = width + 100 * height + 10_000 * depth
    out[i, j, k, 2] = cuda.threadIdx.z + 100 * cuda.blockIdx.z
    out[i, j, k, 3] = cuda.blockDim.z + 100 * cuda.gridDim.z
    out[i, j, k, 4] = cuda.laneid


@cuda.jit
def strides(x, out):
    total = 0
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        total += x[i] * (i + 1)
    out[cuda.grid(1)] = total


@cuda.jit
def strides_of_two_dimensions(x, out):
    first_row, first_column = cuda.grid(2)
    rows, columns = cuda.gridsize(2)
    for i in range(first_row, x.shape[0], rows):
        for j in range(first_column, x.shape[1], columns):
            out[i, j] = 2 * x[i, j] + i - j


@cuda.jit
def nested_conditions(out):
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if i < out.size:
        if cuda.threadIdx.x == cuda.blockDim.x - 1:
            out[i] = -1
        elif cuda.blockIdx.x % 2 and i % 3:
            out[i] = i if i % 5 else 1000
        else:
            out[i] = cuda.blockIdx.x


@cuda.jit
def lanes_below(out):
    i = cuda.grid(1)
    out[i] = cuda.lanemask_lt()


def lanes_below_reference(out):
    out[:] = (1 << (np.arange(out.size) % 40 % 32)) - 1


CASES = [
    Case(one_dimension, 3, 40, (np.zeros((120, 8), np.int64),)),
    Case(two_dimensions, (2, 3), (5, 4), (np.zeros((9, 11, 5), np.int64),)),
    Case(three_dimensions, (2, 1, 2), (3, 2, 4), (np.zeros((6, 2, 8, 5), np.int64),)),
    Case(strides, 2, 16, (np.arange(200) % 17, np.zeros(32, np.int64))),
    Case(strides_of_two_dimensions, (2, 2), (3, 4), (np.arange(130).reshape(13, 10), np.zeros((13, 10), np.int64))),
    Case(nested_conditions, 4, 16, (np.zeros(61, np.int64),)),
    Case(
        lanes_below,
        2,
        40,
        (np.zeros(80, np.uint32),),
        instead=lanes_below_reference,
        why="the simulator has no lanemask_lt",
    ),
]
