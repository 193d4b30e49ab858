"""The library's NumPy references, themselves checked against SciPy and against what must hold."""

import hashlib
import re

import numpy as np
import pytest
import rkkernels
from library_cases import CASES, LibraryCase
from rkkernels import (
    counting,
    diffusion,
    edges,
    fractal,
    gravity,
    options,
    reaction,
    reduction,
    scan,
    sorting,
    sparse,
    spectrum,
    tiles,
    vectors,
)
from rkkernels import data as real
from scipy import integrate, linalg, ndimage, signal, special, stats
from scipy import sparse as matrices
from scipy.spatial import distance


def test_every_kernel_of_the_library_has_a_case() -> None:
    assert sorted(case.name for case in CASES) == sorted(rkkernels.__all__)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_example_names_the_arguments_of_its_kernel_in_order(case: LibraryCase) -> None:
    names = list(case.kernel.py_func.__code__.co_varnames[: case.kernel.py_func.__code__.co_argcount])
    inputs = case.inputs()
    assert list(inputs)[: len(names)] == names
    assert set(inputs) - set(names) <= {"over", "grid", "block", "shared"}
    assert ("over" in inputs) != ("grid" in inputs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_output_is_seen(case: LibraryCase) -> None:
    inputs = case.inputs(small=True)
    expected = case.expected(inputs)
    right = inputs | {name: value.copy() for name, value in expected.items()}
    case.check(right, expected)
    name = next(iter(expected))
    wrong = right | {name: right[name] + 1}
    with pytest.raises(AssertionError):
        case.check(wrong, expected)


def test_data_is_what_its_licences_speak_of() -> None:
    listed = re.findall(r"^    ([0-9a-f]{64})  (\S+)$", (real.FOLDER / "LICENSES.md").read_text(), re.MULTILINE)
    data = {path.name for path in real.FOLDER.iterdir() if path.suffix in {".png", ".npz", ".csv"}}
    assert data == {name for _, name in listed}
    for digest, name in listed:
        assert hashlib.sha256((real.FOLDER / name).read_bytes()).hexdigest() == digest


def test_data_has_the_shapes_and_units_said() -> None:
    height, width_m, length_m = real.terrain()
    assert height.shape == (344, 403)
    assert (height.min(), height.max()) == (236.0, 1076.0)
    assert 74 < width_m < 75
    assert 92 < length_m < 93
    times, counts = real.sunspots()
    assert times.shape == counts.shape == (3126,)
    assert np.allclose(np.diff(times), 1 / 12)
    assert real.camera().shape == (512, 512)


def test_saxpy_is_blas() -> None:
    inputs = vectors.example(1000)
    blas = linalg.blas.saxpy(inputs["x"], inputs["y"].copy(), a=inputs["a"])
    np.testing.assert_allclose(vectors.reference(inputs["a"], inputs["x"], inputs["y"])["out"], blas, atol=1e-6)


def test_option_prices_are_discounted_expectations() -> None:
    spot, strike, years, rate, volatility = 20.0, 25.0, 3.0, 0.02, 0.3

    def paid(z: float) -> float:
        at_expiry = spot * np.exp((rate - volatility**2 / 2) * years + volatility * np.sqrt(years) * z)
        return max(at_expiry - strike, 0.0) * stats.norm.pdf(z)

    expected = np.exp(-rate * years) * integrate.quad(paid, -10, 10, points=[0.0], limit=200)[0]
    call = options.reference(np.array([spot]), np.array([strike]), np.array([years]), rate, volatility)["call"]
    assert call[0] == pytest.approx(expected, abs=1e-6)
    assert special.ndtr(0.3) == pytest.approx(options.normal_below.py_func(0.3), abs=1e-15)


def test_mandelbrot_knows_points_inside_and_outside() -> None:
    counts = fractal.reference(-3.0, 0.0, 0.5, 50, np.zeros((1, 9), np.int32))["counts"]
    # c from -3 to 1: for c = 0.5 the orbit is 0.5, 0.75, 1.0625, 1.63, 3.15; for c = 1 it is 1, 2.
    assert counts[0].tolist() == [1, 1, 1, 50, 50, 50, 50, 5, 2]


def test_diffusion_is_a_convolution_that_keeps_the_sum() -> None:
    now = np.random.default_rng(0).random((20, 30))
    after = diffusion.reference(now, 0.1, 0.2)["after"]
    weights = np.array([[0, 0.2, 0], [0.1, 0.4, 0.1], [0, 0.2, 0]])
    np.testing.assert_allclose(after, ndimage.convolve(now, weights, mode="nearest"), rtol=1e-12)
    assert after.sum() == pytest.approx(now.sum(), rel=1e-13)


def test_gray_scott_spreads_as_a_wrapped_convolution() -> None:
    inputs = reaction.example(32)
    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    u, v = inputs["u"].astype(float), inputs["v"].astype(float)
    found = reaction.reference(inputs["u"], inputs["v"], 0.05, 0.06)
    spread = 0.16 * ndimage.convolve(u, cross, mode="wrap")
    np.testing.assert_allclose(found["u_after"], u + spread - u * v**2 + 0.05 * (1 - u), atol=1e-12)
    np.testing.assert_allclose(
        (found["v_after"] - v).sum(), (u * v**2 - 0.11 * v).sum(), rtol=1e-9, err_msg="spreading changed the sum"
    )


def test_block_sums_add_up_to_the_sum() -> None:
    inputs = reduction.example(10_001, 64)
    partial = reduction.reference(inputs["values"], inputs["partial"], 64)["partial"]
    assert partial.sum() == pytest.approx(inputs["values"].sum(dtype=np.float64), rel=1e-12)


def test_scan_references_come_to_the_running_total() -> None:
    inputs = scan.example_add_offsets(1000, 64)
    whole = scan.reference_add_offsets(inputs["running"], inputs["offsets"], 64)["running"]
    np.testing.assert_array_equal(whole, np.cumsum(scan.example(1000, 64)["values"]))


def test_histogram_is_that_of_scipy() -> None:
    levels = counting.example()["levels"]
    np.testing.assert_array_equal(counting.reference(levels)["counts"], ndimage.histogram(levels, 0, 256, 256))


def test_matrix_product_is_blas() -> None:
    inputs = tiles.example(20, 30, 10)
    product = linalg.blas.dgemm(1.0, inputs["a"], inputs["b"])
    np.testing.assert_allclose(tiles.reference(inputs["a"], inputs["b"])["c"], product, atol=1e-12)


def test_edges_are_those_of_scipy() -> None:
    image = edges.example()["image"]
    across, down = (ndimage.sobel(image.astype(float), axis, mode="nearest") for axis in (1, 0))
    np.testing.assert_allclose(edges.reference(image)["strength"], np.hypot(across, down), atol=1e-9)


def test_sparse_product_is_that_of_scipy() -> None:
    inputs = sparse.example(20)
    matrix = matrices.csr_matrix((inputs["values"], inputs["columns"], inputs["starts"]))
    found = sparse.reference(inputs["starts"], inputs["columns"], inputs["values"], inputs["x"])["y"]
    np.testing.assert_allclose(found, matrix @ inputs["x"], atol=1e-12)


def test_bitonic_steps_sort() -> None:
    values = np.random.default_rng(0).random(256)
    now = values
    for apart, width in sorting.steps(256):
        now = sorting.reference(now, apart, width)["values"]
    np.testing.assert_array_equal(now, np.sort(values))


def test_pulls_have_the_right_size_and_cancel_out() -> None:
    inputs = gravity.example(60)
    pulls = gravity.reference(inputs["places"], inputs["masses"], 0.05)["pulls"]
    np.testing.assert_allclose((inputs["masses"][:, None] * pulls).sum(axis=0), 0.0, atol=1e-12)
    apart = distance.euclidean(inputs["places"][0], inputs["places"][1])
    away = (inputs["places"][None, :2] - inputs["places"][:2, None])[0, 1]
    alone = gravity.reference(inputs["places"][:2], inputs["masses"][:2], 1e-9)["pulls"][0]
    np.testing.assert_allclose(alone, inputs["masses"][1] * away / apart**3, rtol=1e-9)


def test_periodogram_is_that_of_scipy() -> None:
    inputs = spectrum.example(50)
    omega = 2 * np.pi * inputs["frequencies"]
    scipys = signal.lombscargle(inputs["times"], inputs["values"], omega, normalize=True)
    found = spectrum.reference(inputs["times"], inputs["values"], inputs["frequencies"])["power"]
    np.testing.assert_allclose(found, scipys, rtol=1e-6, atol=1e-9)


def test_sunspots_have_a_cycle_of_eleven_years() -> None:
    inputs = spectrum.example(500)
    power = spectrum.reference(inputs["times"], inputs["values"], inputs["frequencies"])["power"]
    assert 1 / inputs["frequencies"][power.argmax()] == pytest.approx(11.0, abs=0.2)
