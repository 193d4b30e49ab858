"""What numba.cuda makes kernels of: universal functions, generalised ones, and reductions.

A GPU gives the same. The kernels that it makes are run on every lowering, too, besides the one that is chosen.
"""

import math

import numpy as np
import pytest
from numba import cuda, guvectorize, int64, vectorize
from simt_launching import run

X = np.arange(1000, dtype=np.float32)
Y = X[::-1].copy()


@cuda.jit(device=True)
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


@vectorize(["float32(float32, float32)", "float64(float64, float64)"], target="cuda")
def hypotenuse(a, b):
    return math.sqrt(a * a + b * b)


@vectorize([int64(int64, int64)], target="cuda")
def divisor(a, b):
    while b:
        a, b = b, a % b
    return a


@vectorize(["int64(int64)"], target="cuda")
def factorials(n):
    return factorial(n)


@guvectorize(["(float64[:,:], float64[:,:], float64[:,:])"], "(m,n),(n,p)->(m,p)", target="cuda")
def product(a, b, out):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@guvectorize(["(int64[:], int64[:])"], "(n)->()", target="cuda")
def row_sums(x, out):
    out[0] = 0
    for k in range(x.size):
        out[0] += x[k]


def add(a, b):
    return a + b


total = cuda.reduce(add)
largest = cuda.Reduce(lambda a, b: max(a, b))


def on_all_lowerings(kernel, inputs, shape, wanted):
    """Run a kernel of numba's making on 8 threads a block, once on each lowering."""
    for lowering in ("lanes", "loop", "fibers"):
        out = np.zeros(shape, wanted.dtype)
        assert run(kernel, -(-len(out) // 8), 8, *inputs, out, lowering=lowering).lowering == lowering
        np.testing.assert_allclose(out, wanted, rtol=1e-6, err_msg=lowering)


def universal_functions():
    np.testing.assert_allclose(hypotenuse(X, Y), np.hypot(X, Y), rtol=1e-6)
    assert hypotenuse(X, Y).dtype == np.float32
    assert hypotenuse(X.astype(float), Y.astype(float)).dtype == np.float64
    tall, wide = X[:50, None], Y[None, :40]
    np.testing.assert_allclose(hypotenuse(tall, wide), np.hypot(tall, wide), rtol=1e-6)
    assert hypotenuse(3.0, 4.0) == 5.0
    a, b = np.arange(1, 200), np.arange(200, 1, -1)
    np.testing.assert_array_equal(divisor(a, b), np.gcd(a, b))
    assert divisor.reduce(12 * a) == 12
    np.testing.assert_array_equal(factorials(np.arange(10)), [math.factorial(n) for n in range(10)])
    _, kernel = divisor.functions[np.dtype("i8"), np.dtype("i8")]
    on_all_lowerings(kernel, (a, b), len(a), np.gcd(a, b))


def on_the_device():
    x, stream = cuda.to_device(X), cuda.stream()
    found = hypotenuse(x, x, stream=stream)
    stream.synchronize()
    assert cuda.is_cuda_array(found)
    out = cuda.device_array_like(x)
    hypotenuse(x, x, out=out)
    for one in (found, out):
        np.testing.assert_allclose(one.copy_to_host(), np.hypot(X, X), rtol=1e-6)


def generalised_functions():
    given = np.random.default_rng(5)
    a, b = given.random((20, 3, 4)), given.random((20, 4, 5))
    np.testing.assert_allclose(product(a, b), a @ b)
    np.testing.assert_allclose(product(a[0], b[0]), a[0] @ b[0])
    np.testing.assert_array_equal(row_sums(np.arange(12).reshape(3, 4)), [6, 22, 38])
    (_, kernel), *_ = product.kernelmap.values()
    on_all_lowerings(kernel, (a, b), (20, 3, 5), a @ b)


def reductions():
    x = np.arange(1.0, 10001.0)
    assert total(x) == x.sum()
    assert total(x, init=5) == x.sum() + 5
    assert total(np.zeros(0), init=7) == 7
    assert total(x[::2], size=10) == x[:20:2].sum()
    assert largest(np.array([3, 9, 2, 9, -5])) == 9
    result = cuda.device_array(1)
    total(cuda.to_device(x), res=result)
    assert result.copy_to_host() == x.sum()
    for lowering in ("lanes", "fibers"):
        parts = np.zeros(4)
        assert run(total._compile(x.dtype), 4, 128, x, parts, 3.0, True, lowering=lowering).lowering == lowering
        assert parts.sum() == x.sum() + 3


def what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="exact types"):
        hypotenuse(X, Y.astype(float))
    with pytest.raises(ValueError, match="broadcast"):
        hypotenuse(X, Y[:3])
    with pytest.raises(ValueError, match="mismatch"):
        product(np.zeros((3, 4)), np.zeros((3, 4)))
    with pytest.raises(TypeError, match="1D"):
        total(np.zeros((2, 2)))


CHECKS = (universal_functions, on_the_device, generalised_functions, reductions, what_does_not_fit_is_refused)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
