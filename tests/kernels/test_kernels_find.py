"""Finding kernels, and importing their files on machines without a driver."""

import sys
from pathlib import Path

import numba
import numba.cuda
import numpy as np
import pytest

from rkruntime.errors import ArgumentMismatch, KernelNotFound, NotAKernelFile
from rkruntime.kernels import as_spec, find, list_kernels

ONE = "from numba import cuda\n\n@cuda.jit\ndef alone(x):\n    x[0] = 1\n"
TWO = ONE + "\n@cuda.jit\ndef other(x):\n    x[0] = 2\n\n@cuda.jit(device=True)\ndef helper(x):\n    return x\n"
WITHOUT_DRIVER = pytest.mark.skipif(numba.cuda.is_available(), reason="decorators are held back only without a driver")


def write(folder: Path, text: str, name: str = "kernels_here.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_only_kernel_of_a_file_needs_no_name(tmp_path: Path) -> None:
    path = write(tmp_path, ONE)
    assert find(str(path)).name == "alone"
    assert find(path) is find(f"{path}:alone")


def test_a_file_is_imported_again_once_it_changes(tmp_path: Path) -> None:
    import os

    path = write(tmp_path, ONE)
    first = find(path)
    write(tmp_path, ONE.replace("alone", "changed"))
    os.utime(path, ns=(1, 1))
    assert find(path).name == "changed"
    assert first.name == "alone"


def test_one_of_several_must_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    assert find(f"{path}:other").name == "other"
    with pytest.raises(KernelNotFound, match="which has several") as caught:
        find(path)
    assert set(caught.value.known) == {"alone", "other"}


def test_wrong_name_gets_a_suggestion(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    with pytest.raises(KernelNotFound, match="did you mean other"):
        find(f"{path}:othre")
    with pytest.raises(KernelNotFound, match="did you mean saxpy"):
        find("saxpi")


def test_device_function_is_no_kernel(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    with pytest.raises(KernelNotFound):
        find(f"{path}:helper")


def test_plain_function_and_rk_kernel(tmp_path: Path) -> None:
    text = (
        "import rkruntime as rk\n\n@rk.kernel(block=32)\ndef marked(x):\n    x[0] = 1\n\ndef plain(x):\n    x[0] = 2\n"
    )
    path = write(tmp_path, text)
    assert find(path).block == 32
    assert find(f"{path}:plain").name == "plain"


def test_files_beside_a_kernel_file_can_be_imported_by_it(tmp_path: Path) -> None:
    write(tmp_path, "WIDTH = 3\n", "sizes_beside.py")
    path = write(tmp_path, "from sizes_beside import WIDTH\n" + ONE)
    before = list(sys.path)
    assert find(path).name == "alone"
    assert sys.path == before


def test_library_by_name_module_and_folder(tmp_path: Path) -> None:
    import rkkernels

    assert find("saxpy") is as_spec(rkkernels.saxpy)
    assert find("rkkernels.vectors:saxpy") is find("saxpy")
    assert find("rkkernels.vectors:") is find("saxpy")
    assert set(rkkernels.__all__) <= set(list_kernels())
    write(tmp_path, ONE.replace("alone", "saxpy"))
    assert find("saxpy", [tmp_path]) is not find("saxpy")
    assert find("kernels_here.py", [tmp_path]).name == "saxpy"
    assert "alone" not in list_kernels([tmp_path])


def offer(folder: Path, package: str, text: str) -> None:
    """Install a package that offers kernels, as pip would."""
    (folder / f"{package}.py").write_text(text)
    metadata = folder / f"{package}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[rkruntime.kernels]\n{package} = {package}\n")


def test_shared_names_are_told_apart_by_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    offer(tmp_path, "offers_first", ONE)
    offer(tmp_path, "offers_second", TWO)
    assert find("offers_first.alone") is not find("offers_second.alone")
    assert find("offers_second.alone") is find("offers_second:alone")
    assert find("other") is find("offers_second.other")
    with pytest.raises(KernelNotFound, match=r"did you mean offers_first\.alone, offers_second\.alone"):
        find("alone")
    known = list_kernels()
    assert {"offers_first.alone", "offers_second.alone", "other", "saxpy"} <= set(known)
    assert "alone" not in known
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder, ONE)
    assert find("alone", [folder]) is find("kernels_here.alone", [folder]) is find(folder / "kernels_here.py")
    assert list_kernels([folder])["alone"] is find("alone", [folder])
    assert find("offers_first.alone", [folder]) is find("offers_first.alone")


def test_package_that_is_broken_hides_no_kernel_but_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    offer(tmp_path, "offers_nothing", "raise ValueError('broken on purpose')\n")
    assert find("saxpy").name == "saxpy"
    for look in (lambda: find("saxpi"), list_kernels):
        with pytest.raises(NotAKernelFile, match="broken on purpose") as caught:
            look()
        assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from numba import cuda\n\n@cuda.jit('void(flot32)')\ndef k(a):\n    pass\n", "flot32"),
        ("def broken(:\n", "line 1: invalid syntax"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "ends the program"),
        ("x = 1\n", "no kernel in it"),
        ("\0", "null bytes"),
    ],
)
def test_file_that_is_no_kernel_file(tmp_path: Path, text: str, why: str) -> None:
    path = write(tmp_path, text)
    before = set(sys.modules)
    with pytest.raises(NotAKernelFile, match=why):
        find(path)
    if why != "no kernel in it":
        assert not {name for name in set(sys.modules) - before if name.startswith("rk_kernel_file")}


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.py"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(NotAKernelFile):
        find(path)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("absent.py:k", "no such file"),
        ("no_such_module:k", "No module named"),
        ("{folder}/", "it is a folder"),
        ("{folder}/data.npy", "no such file"),
        ("{folder}/notes.txt", "ends in .txt"),
    ],
)
def test_place_that_holds_no_kernels(tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NotAKernelFile, match=why):
        find(target.format(folder=tmp_path))
    with pytest.raises(NotAKernelFile, match="is no folder of kernels: there is no such folder") as absent:
        find("saxpy", [tmp_path / "absent"])
    assert "FILE.py" not in str(absent.value)
    with pytest.raises(NotAKernelFile, match=f"it is a file\n  mend: give the folder that it is in: {tmp_path}"):
        find("saxpy", [tmp_path / "notes.txt"])


SIGNED = """\
import numba
from numba import cuda
from numba.cuda import jit

@cuda.jit("void(float32, float32[:])")
def by_text(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = a

@jit([numba.void(numba.float64, numba.float64[:])], fastmath=True)
def by_list(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = a

@cuda.jit("float32(float32)", device=True)
def helper(a):
    return a + 1

@numba.vectorize(["float64(float64, float64)"], target="cuda")
def plus(a, b):
    return a + b

@numba.guvectorize(["(float64[:], float64[:])"], "(n)->(n)", target="cuda")
def copied(a, b):
    for i in range(a.size):
        b[i] = a[i]

@numba.vectorize(["float64(float64)"])
def on_host(a):
    return a * 2
"""


@WITHOUT_DRIVER
def test_kernels_with_signatures_load_without_a_driver(tmp_path: Path) -> None:
    kept = numba.cuda.jit, numba.vectorize, numba.guvectorize
    path = write(tmp_path, SIGNED)
    assert find(f"{path}:by_text").parameters == ("a", "x")
    assert find(f"{path}:by_list").source.options == {"fastmath": True}
    assert [str(slot) for slot in find(f"{path}:by_text").declared[0]] == ["float32", "float32[:]"]
    assert find(f"{path}:by_text").source.dispatcher.py_func is find(f"{path}:by_text").function
    assert (numba.cuda.jit, numba.vectorize, numba.guvectorize) == kept


@WITHOUT_DRIVER
def test_signature_with_a_type_too_few_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, SIGNED.replace('"void(float32, float32[:])"', '"void(float32)"'))
    with pytest.raises(ArgumentMismatch, match="kernel by_text, argument signature"):
        find(f"{path}:by_text")


@WITHOUT_DRIVER
def test_elementwise_function_is_a_kernel_and_a_ufunc(tmp_path: Path) -> None:
    spec = find(f"{write(tmp_path, SIGNED)}:plus")
    assert spec.parameters == ("a", "b", "out")
    ufunc = spec.source.dispatcher
    np.testing.assert_array_equal(ufunc(np.arange(3.0), 1.0), [1, 2, 3])
    module = sys.modules[ufunc.__module__]
    np.testing.assert_array_equal(module.copied(np.arange(3.0)), np.arange(3.0))
    np.testing.assert_array_equal(module.on_host(np.arange(3.0)), 2 * np.arange(3.0))


@WITHOUT_DRIVER
def test_decorators_come_back_after_a_file_that_raises(tmp_path: Path) -> None:
    kept = numba.cuda.jit, numba.vectorize
    with pytest.raises(NotAKernelFile):
        find(write(tmp_path, "raise ValueError\n"))
    assert (numba.cuda.jit, numba.vectorize) == kept


def test_decorating_outside_of_a_kernel_file_is_numbas_own(tmp_path: Path) -> None:
    with pytest.raises(ArgumentMismatch):
        as_spec(object())
