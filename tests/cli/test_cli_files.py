"""Arrays from files and back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rkruntime.cli._files import check_writable, read_array, write_array
from rkruntime.errors import UnreadableInput

EXACT = [
    (".npy", np.arange(12, dtype=np.complex64).reshape(3, 4)),
    (".npz:b", np.arange(5, dtype=np.int16)),
    (".npz", np.arange(5, dtype=np.int16)),
    (".csv", np.array([[1.5, -2.25], [np.pi, 1e-30]])),
    (".csv", np.array([1.5, 2.5, 3.5])),
    (".png", np.arange(12, dtype=np.uint8).reshape(3, 4)),
    (".png", np.arange(36, dtype=np.uint8).reshape(3, 4, 3)),
    (".png", (np.arange(12, dtype=np.uint16) * 5000).reshape(3, 4)),
    (".wav", np.array([0, 100, -32768, 32767], np.int16)),
    (".wav", np.array([[1, 2], [3, 4]], np.int32)),
    (".wav", np.array([0, 128, 255], np.uint8)),
]


@pytest.mark.parametrize(("ending", "array"), EXACT)
def test_what_is_written_is_read(tmp_path: Path, ending: str, array: np.ndarray) -> None:
    name = f"{tmp_path}/file{ending}"
    write_array(name, array)
    back = read_array(name)
    np.testing.assert_array_equal(back, array)
    if not ending.startswith(".csv"):
        assert back.dtype == array.dtype
    assert back.flags.writeable


@given(
    array=arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_csv_keeps_every_digit(tmp_path: Path, array: np.ndarray) -> None:
    name = f"{tmp_path}/file.csv"
    write_array(name, array)
    back = read_array(name).reshape(array.shape).astype(array.dtype)
    np.testing.assert_array_equal(back, array)


def test_arrays_join_an_archive(tmp_path: Path) -> None:
    name = f"{tmp_path}/file.npz"
    write_array(f"{name}:a", np.arange(3))
    write_array(f"{name}:b", np.arange(4))
    assert read_array(f"{name}:a").size == 3
    assert read_array(f"{name}:b").size == 4
    with pytest.raises(UnreadableInput, match="several arrays"):
        read_array(name)
    with pytest.raises(UnreadableInput, match="one of a, b"):
        read_array(f"{name}:c")


def test_headings_are_skipped_and_dtypes_taken(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("year,spots\n1749,58.0\n1750,62.6\n")
    assert read_array(f"{path}:f4").dtype == np.float32
    assert read_array(str(path)).shape == (2, 2)


def test_floats_are_drawn_and_played_and_it_is_said(tmp_path: Path) -> None:
    assert "0 to 255" in write_array(f"{tmp_path}/a.png", np.array([[0.0, 5.0], [10.0, 2.5]]))
    np.testing.assert_array_equal(read_array(f"{tmp_path}/a.png"), [[0, 128], [255, 64]])
    assert "16 bits" in write_array(f"{tmp_path}/a.wav", np.array([0.0, 1.0, -1.0, 2.0]))
    np.testing.assert_array_equal(read_array(f"{tmp_path}/a.wav"), [0, 32767, -32767, 32767])
    assert write_array(f"{tmp_path}/c.png", np.full((2, 2), 3.0))
    write_array(f"{tmp_path}/b.png", np.array([[True, False]]))
    np.testing.assert_array_equal(read_array(f"{tmp_path}/b.png"), [[255, 0]])


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.npy", b"not numpy", "cannot be read as NPY"),
        ("a.npz", b"not a zip", "cannot be read as NPZ"),
        ("a.csv", b"a,b\n1,x\n", "cannot be read as CSV"),
        ("a.csv", b"", "cannot be read as CSV"),
        ("a.png", b"\x89PNG broken", "cannot be read as PNG"),
        ("a.wav", b"RIFF", "cannot be read as WAV"),
        ("a.txt", b"1", "unknown format .txt"),
        ("a", b"1", "unknown format"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match=why) as caught:
        read_array(str(path))
    assert "mend:" in str(caught.value)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(UnreadableInput):
        read_array(f"{tmp_path}/a.npy")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.csv", np.zeros((2, 2, 2))),
        ("a.png", np.zeros(4)),
        ("a.png", np.full((2, 2), np.nan)),
        ("a.png", np.zeros((2, 2), complex)),
        ("a.wav", np.zeros((2, 2, 2))),
        ("a.wav", np.zeros(4, np.int64)),
        ("absent/a.npy", np.zeros(4)),
    ],
)
def test_array_that_does_not_fit_the_format(tmp_path: Path, name: str, array: np.ndarray) -> None:
    with pytest.raises(UnreadableInput, match=r"write it as \.npy"):
        write_array(f"{tmp_path}/{name}", array)


def test_place_is_checked_before_anything_runs(tmp_path: Path) -> None:
    check_writable(f"{tmp_path}/a.npy")
    for name in ("absent/a.npy", "a.xyz"):
        with pytest.raises(UnreadableInput):
            check_writable(f"{tmp_path}/{name}")
