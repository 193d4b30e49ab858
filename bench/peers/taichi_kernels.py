"""The table's kernels in Taichi's language."""

import taichi as ti

F1, F2 = ti.types.ndarray(ti.f32, ndim=1), ti.types.ndarray(ti.f32, ndim=2)
I1, I2, U1 = (
    ti.types.ndarray(ti.i32, ndim=1),
    ti.types.ndarray(ti.i32, ndim=2),
    ti.types.ndarray(ti.u8, ndim=1),
)


@ti.kernel
def saxpy(a: ti.f32, x: F1, y: F1, out: F1):
    for i in range(out.shape[0]):
        out[i] = a * x[i] + y[i]


@ti.kernel
def matmul(a: F2, b: F2, c: F2):
    for row, column in ti.ndrange(c.shape[0], c.shape[1]):
        total = 0.0
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        c[row, column] = total


@ti.kernel
def histogram(x: U1, counts: I1):
    for i in range(x.shape[0]):
        ti.atomic_add(counts[ti.cast(x[i], ti.i32)], 1)


@ti.kernel
def stencil(a: F2, out: F2):
    for y, x in ti.ndrange((1, a.shape[0] - 1), (1, a.shape[1] - 1)):
        out[y, x] = 0.25 * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@ti.kernel
def mandelbrot(left: ti.f32, top: ti.f32, step: ti.f32, limit: ti.i32, counts: I2):
    for row, column in ti.ndrange(counts.shape[0], counts.shape[1]):
        cx, cy = left + column * step, top + row * step
        x, y = 0.0, 0.0
        count = 0
        while count < limit and x * x + y * y < 4.0:
            x, y = x * x - y * y + cx, 2.0 * x * y + cy
            count += 1
        counts[row, column] = count


@ti.kernel
def bodies(given: F2, forces: F2):
    for i in range(given.shape[1]):
        x, y, z = given[0, i], given[1, i], given[2, i]
        fx, fy, fz = 0.0, 0.0, 0.0
        for j in range(given.shape[1]):
            dx, dy, dz = given[0, j] - x, given[1, j] - y, given[2, j] - z
            square = dx * dx + dy * dy + dz * dz + 1e-3
            pull = given[3, j] / (square * ti.sqrt(square))
            fx += pull * dx
            fy += pull * dy
            fz += pull * dz
        forces[0, i], forces[1, i], forces[2, i] = fx, fy, fz
