"""The table's kernels in Warp's language."""

import warp as wp

F1, F2 = wp.array(dtype=wp.float32), wp.array2d(dtype=wp.float32)


@wp.kernel
def saxpy(a: float, x: F1, y: F1, out: F1):
    i = wp.tid()
    out[i] = a * x[i] + y[i]


@wp.kernel
def matmul(a: F2, b: F2, c: F2):
    row, column = wp.tid()
    total = float(0.0)
    for k in range(a.shape[1]):
        total += a[row, k] * b[k, column]
    c[row, column] = total


@wp.kernel
def histogram(x: wp.array(dtype=wp.uint8), counts: wp.array(dtype=wp.int32)):
    wp.atomic_add(counts, int(x[wp.tid()]), 1)


@wp.kernel
def stencil(a: F2, out: F2):
    y, x = wp.tid()
    if x > 0 and x < a.shape[1] - 1 and y > 0 and y < a.shape[0] - 1:
        out[y, x] = 0.25 * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@wp.kernel
def mandelbrot(left: float, top: float, step: float, limit: int, counts: wp.array2d(dtype=wp.int32)):
    row, column = wp.tid()
    cx = left + float(column) * step
    cy = top + float(row) * step
    x = float(0.0)
    y = float(0.0)
    count = int(0)
    while count < limit and x * x + y * y < 4.0:
        following = x * x - y * y + cx
        y = 2.0 * x * y + cy
        x = following
        count += 1
    counts[row, column] = count


@wp.kernel
def bodies(given: F2, forces: F2):
    i = wp.tid()
    x, y, z = given[0, i], given[1, i], given[2, i]
    fx = float(0.0)
    fy = float(0.0)
    fz = float(0.0)
    for j in range(given.shape[1]):
        dx = given[0, j] - x
        dy = given[1, j] - y
        dz = given[2, j] - z
        square = dx * dx + dy * dy + dz * dz + 1.0e-3
        pull = given[3, j] / (square * wp.sqrt(square))
        fx += pull * dx
        fy += pull * dy
        fz += pull * dz
    forces[0, i] = fx
    forces[1, i] = fy
    forces[2, i] = fz
