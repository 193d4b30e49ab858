"""A user's type as an argument, which an extension of `cuda.jit` turns into its parts, as numba-cuda passes them."""

import numpy as np
from numba import cuda
from numba.cuda import extending, types


class Grid:
    """Numbers in rows, each with a factor."""

    def __init__(self, values, factor):
        self.values, self.factor = values, factor


class GridType(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Grid({dtype})")


@extending.typeof_impl.register(Grid)
def type_of_grid(value, context):
    return GridType(types.float64)


@extending.register_model(GridType)
class GridModel(extending.models.StructModel):
    def __init__(self, manager, kind):
        members = [("address", types.CPointer(kind.dtype)), ("size", types.int64), ("factor", types.float32)]
        super().__init__(manager, kind, members)


for name in ("address", "size", "factor"):
    extending.make_attribute_wrapper(GridType, name, name)


class Parts:
    """Turns a grid into the numbers of which it consists."""

    def prepare_args(self, kind, value, stream, retr):
        if not isinstance(kind, GridType):
            return kind, value
        held = cuda.to_device(value.values)
        retr.append(lambda: held.copy_to_host(value.values))
        kinds = types.Tuple((types.uint64, types.int64, types.float32))
        return kinds, (held.device_ctypes_pointer.value, held.size, np.float32(value.factor))


@cuda.jit(extensions=[Parts()])
def scale(grid, more, out):
    i = cuda.grid(1)
    if i < grid.size:
        grid.address[i] *= grid.factor
        out[i] = grid.address[i] + more


@cuda.jit(extensions=[Parts()])
def turn(grid, out):
    held = cuda.shared.array(8, types.float64)
    i = cuda.threadIdx.x
    held[i] = grid.address[i]
    cuda.syncthreads()
    out[i] = held[grid.size - 1 - i]


for factor in (2.0, 3.0):
    grid, out = Grid(np.arange(8.0), factor), np.zeros(8)
    scale[1, 16](grid, 1, out)
    np.testing.assert_array_equal(grid.values, np.arange(8) * factor)
    np.testing.assert_array_equal(out, grid.values + 1)
turn[1, 8](grid, out)
np.testing.assert_array_equal(out, grid.values[::-1])


@cuda.jit(extensions=[Parts()])
def swap(grid, out):
    i = cuda.threadIdx.x + cuda.blockDim.x * cuda.threadIdx.y
    out[i] = cuda.shfl_xor_sync(0xFFFFFFFF, grid.address[i], 1)


grid, out = Grid(np.arange(32.0), 1), np.zeros(32)
for block in (32, (8, 4)):  # of which the second is compiled when it comes: its rows are no whole warps
    swap[1, block](grid, out)
    np.testing.assert_array_equal(out, grid.values.reshape(-1, 2)[:, ::-1].ravel())
    out[:] = 0
print("ok")
