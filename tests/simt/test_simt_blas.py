"""Linear algebra in kernels, and that kernels without it do not pay for its libraries."""

import subprocess
import sys

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

pytestmark = pytest.mark.usefixtures("untraced")

PROGRAM = """
import sys
import numpy as np
from rkruntime import simt

def plain(x):
    x[0] = 1.0

def solves(a, b, out):
    out[:] = np.linalg.solve(a, b) + a @ b

simt.run(simt.Kernel(plain).specialize((np.zeros(1),)), 1, 1, (np.zeros(1),))
print("scipy.linalg" in sys.modules)
a, b, out = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]), np.zeros(2)
simt.run(simt.Kernel(solves).specialize((a, b, out)), 1, 1, (a, b, out))
print(np.allclose(out, np.linalg.solve(a, b) + a @ b))
"""


def test_scipy_is_imported_only_where_a_kernel_needs_it(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "False\nTrue\n", done.stderr


@cuda.jit
def products(a, b, out):
    i = cuda.grid(1)
    if i < a.shape[0]:
        out[i] = np.dot(a[i], b)


@pytest.mark.parametrize("lowering", ["loop", "fibers", None])
def test_products_of_vectors(lowering: str | None) -> None:
    a, b, out = np.random.default_rng(3).random((7, 4)), np.arange(4.0), np.zeros(7)
    run(products, 1, 8, a, b, out, lowering=lowering)
    np.testing.assert_allclose(out, a @ b)
