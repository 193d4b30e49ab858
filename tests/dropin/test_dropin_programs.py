"""Programs of every kind run unchanged: each is a process of its own, as users run it."""

from __future__ import annotations

import signal
from pathlib import Path

from programs import SCRIPTS, run, run_dropin

SIMT = SCRIPTS.parents[1] / "simt"  # where one way to run a kernel on a lowering is
HOST_API = ["device", "arrays", "host_memory", "hints", "streams_and_events", "interface", "dispatchers"]
HOST_API += ["memory_is_given_back", "imported_inside"]


def test_the_host_api_is_numba_cudas_own() -> None:
    done = run_dropin("--report", str(SCRIPTS / "host_api.py"))
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")] == HOST_API
    table = [line.split() for line in done.stderr.splitlines()]
    assert table[1] == ["kernel", "place", "lowering", "launches", "time", "compiling", "types"]
    assert {(row[0], row[2]) for row in table[2:]} >= {("add_one", "loop"), ("scale", "loop"), ("copy", "loop")}
    assert all(int(row[3]) > 0 for row in table[2:])


def test_threads_and_children_run_kernels() -> None:
    done = run_dropin(str(SCRIPTS / "processes.py"), "--own-option")
    assert (done.stdout, done.stderr, done.returncode) == ("ok ['--own-option']\n", "", 0)


def test_what_goes_wrong_is_told() -> None:
    done = run_dropin(str(SCRIPTS / "troubles.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok ") == 15


def test_strictly_nothing_is_simulated() -> None:
    done = run_dropin(str(SCRIPTS / "troubles.py"), RKRUNTIME_DROPIN_STRICT="1")
    assert done.returncode == 0, done.stderr


def test_kernels_that_a_program_writes_as_text_are_compiled() -> None:
    done = run_dropin("--report", str(SCRIPTS / "written.py"), RKRUNTIME_DROPIN_STRICT="1")
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr
    assert "simulator" not in done.stderr


def test_kernels_take_device_functions() -> None:
    done = run_dropin("--report", str(SCRIPTS / "passed.py"), RKRUNTIME_DROPIN_STRICT="1")
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr
    assert [line.split()[2] for line in done.stderr.splitlines()[2:]] == 3 * ["lanes"]


def test_extensions_give_arguments_in_parts() -> None:
    done = run_dropin(str(SCRIPTS / "prepared.py"), RKRUNTIME_DROPIN_STRICT="1")
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr


def test_what_numba_makes_kernels_of_runs_on_every_lowering() -> None:
    done = run_dropin(str(SCRIPTS / "ufuncs.py"), RKRUNTIME_DROPIN_STRICT="1", PYTHONPATH=str(SIMT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok ") == 5


def test_options_and_signatures_are_obeyed_on_every_lowering() -> None:
    done = run_dropin(str(SCRIPTS / "options.py"), RKRUNTIME_DROPIN_STRICT="1", PYTHONPATH=str(SIMT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok ") == 8


def test_what_kernels_allocate_is_counted() -> None:
    strictly = {"NUMBA_CUDA_ENABLE_NRT": "1", "RKRUNTIME_DROPIN_STRICT": "1"}
    done = run_dropin(str(SCRIPTS / "allocating.py"), **strictly)
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr


CACHED = """
import numpy as np
from numba import cuda


@cuda.jit(cache=True)
def fill(x):
    x[cuda.grid(1)] = 3


x = np.zeros(4)
fill[1, 4](x)
print(x.tolist(), sum(fill.stats.cache_hits.values()))
"""


def test_kernels_are_kept_where_a_folder_can_be_written_to_and_else_that_is_told(tmp_path: Path) -> None:
    """A file in a folder's place cannot be written into, whoever runs this."""
    script, other = tmp_path / "cached.py", tmp_path / "other"
    script.write_text(CACHED)
    (tmp_path / "__pycache__").touch()
    nowhere = str(tmp_path / "__pycache__" / "none")
    homeless = {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "RKRUNTIME_CACHE_DIR": nowhere}
    told = "cached.py:6: UncachedKernel: kernel fill has cache=True and is not kept on disk: there is no folder"
    done = run_dropin(str(script), **homeless)
    assert (done.stdout, done.returncode) == ("[3.0, 3.0, 3.0, 3.0] 0\n", 0), done.stderr
    assert told in done.stderr
    for hits in (0, 1):
        done = run_dropin(str(script), **homeless, NUMBA_CACHE_DIR=str(other))
        assert (done.stdout, done.returncode) == (f"[3.0, 3.0, 3.0, 3.0] {hits}\n", 0), done.stderr
        assert "UncachedKernel" not in done.stderr


def test_a_cache_that_cannot_be_written_to_any_longer_is_told(tmp_path: Path) -> None:
    script = tmp_path / "cached.py"
    script.write_text(
        CACHED.replace("x = np", "fill._cache._impl.locator.ensure_cache_path = lambda: open('/')\nx = np")
    )
    done = run_dropin(str(script), NUMBA_CACHE_DIR=str(tmp_path))
    assert (done.stdout, done.returncode) == ("[3.0, 3.0, 3.0, 3.0] 0\n", 0), done.stderr
    assert "is not kept on disk: [Errno 21] Is a directory" in done.stderr


def test_control_c_ends_a_kernel_that_never_ends() -> None:
    done = run_dropin(str(SCRIPTS / "endless.py"))
    assert done.stdout == "goes on\n"
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert done.returncode == -signal.SIGINT


def test_a_notebook_loads_it_as_an_extension(tmp_path: Path) -> None:
    cells = [
        "import numpy as np",
        "from numba import cuda",
        "%load_ext rkruntime.dropin",
        "%load_ext rkruntime.dropin",
        "@cuda.jit\ndef fill(x):\n    i = cuda.grid(1)\n    x[i] = i\n",
        "x = np.zeros(4); fill[1, 4](x); print(x.tolist(), cuda.is_available())",
    ]
    (tmp_path / "session.ipy").write_text("\n".join(cells))
    done = run("-m", "IPython", "--no-banner", "session.ipy", cwd=tmp_path, IPYTHONDIR=str(tmp_path))
    assert "[0.0, 1.0, 2.0, 3.0] True" in done.stdout, done.stderr


def test_the_simulator_cannot_be_exchanged_once_it_is_imported() -> None:
    program = "from numba import cuda; import rkruntime.dropin as d; print(d.report()); d.install()"
    done = run("-c", program, NUMBA_ENABLE_CUDASIM="1")
    assert done.stdout == "rkruntime.dropin: not installed\n"
    assert "RuntimeError: numba-cuda's simulator was imported before rkruntime.dropin.install()" in done.stderr


def test_a_gpu_cannot_be_exchanged_once_it_is_open() -> None:
    program = (
        "from numba.cuda.cudadrv.driver import driver; import rkruntime.dropin as d; driver.devices[0] = 0; d.install()"
    )
    assert "RuntimeError: numba-cuda has opened a GPU in this process" in run("-c", program).stderr


def test_pytest_loads_it_as_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from numba import cuda\nassert cuda.is_available()\n")
    (tmp_path / "test_one.py").write_text((SCRIPTS / "saxpy.py").read_text() + SAXPY_TEST)
    done = run("-m", "pytest", "-q", "-p", "rkruntime.dropin", "-p", "no:cacheprovider", ".", cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


SAXPY_TEST = """

def test_saxpy():
    out = np.zeros(8, np.float32)
    saxpy[1, 8](2.0, np.ones(8, np.float32), np.ones(8, np.float32), out)
    assert out.tolist() == [3.0] * 8
"""


def test_a_program_that_runs_no_kernel_imports_no_compiler() -> None:
    program = "import rkruntime.dropin as d; d.install(); import sys; from numba import cuda; cuda.to_device([1.0])"
    done = run("-c", f"{program}; print([one for one in sys.modules if one.startswith('rkruntime.simt')])")
    assert done.stdout == "[]\n", done.stderr


def test_cuda_may_be_disabled() -> None:
    program = "import rkruntime.dropin as d; d.install(); from numba import cuda; print(cuda.is_available())"
    done = run("-c", f"{program}; print(cuda.cuda_error()); cuda.device_array(3)", NUMBA_DISABLE_CUDA="1")
    assert done.stdout.startswith("False\nCUDA is disabled due to setting NUMBA_DISABLE_CUDA=1")
    assert "CudaSupportError" in done.stderr.splitlines()[-3]


def test_a_function_that_the_driver_lacks_says_so() -> None:
    program = "import rkruntime.dropin as d; d.install(); from numba import cuda; cuda.device_array(3).get_ipc_handle()"
    done = run("-c", program)
    assert "Call to cuIpcGetMemHandle results in CUDA_ERROR_NOT_SUPPORTED" in done.stderr.splitlines()[-1]
