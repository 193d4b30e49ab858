"""Compiled kernels on disk: found by other processes, by the right ones only, whatever happens to the files."""

import enum
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt import _cache, _on_disk

SCRIPT = """
import json, sys
import numpy as np
from numba import cuda
from rkruntime import simt

OFFSET = {offset}

@cuda.jit(device=True)
def shifted(v):
    return v + OFFSET

@cuda.jit
def kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = shifted(x[i]) * {factor}

@cuda.jit
def reversed_in_blocks(x, out):
    mine = cuda.shared.array(32, np.float64)
    mine[cuda.threadIdx.x] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = mine[31 - cuda.threadIdx.x]

@cuda.jit
def failing(x, out):
    out[0] = int(x[0]) // int(out[0])

x, out, back = np.arange(64.0), np.zeros(64), np.zeros(64)
specials = [simt.Kernel(one).specialize((x, out)) for one in (kernel, reversed_in_blocks, failing)]
simt.run(specials[0], 2, 32, (x, out))
simt.run(specials[1], 2, 32, (x, back))
try:
    simt.run(specials[2], 1, 1, (x, np.zeros(1)))
except simt_errors.KernelFault as error:
    fault = [error.line, error.what]
right = bool((back == x.reshape(2, 32)[:, ::-1].ravel()).all())
print(json.dumps([[one.compile_s for one in specials], out[:3].tolist(), right, fault]))
""".replace("import json, sys", "import json, sys\nimport rkruntime.errors as simt_errors")


def in_new_process(folder: Path, cache: Path, offset: int = 1, factor: int = 2) -> list:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(offset=offset, factor=factor))
    environment = {**os.environ, "RKRUNTIME_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_another_process_finds_what_one_compiled(tmp_path):
    cache = tmp_path / "cache"
    times, out, right, fault = in_new_process(tmp_path, cache)
    assert all(one > 0 for one in times)
    assert (out, right) == ([2.0, 4.0, 6.0], True)
    assert in_new_process(tmp_path, cache) == [[0.0, 0.0, 0.0], out, right, fault]
    line, what = fault
    assert "zero" in what
    assert "//" in (tmp_path / "script.py").read_text().splitlines()[line - 1]
    # A frozen global or a line of the kernel that changes makes another entry.
    times, out, *_ = in_new_process(tmp_path, cache, offset=10)
    assert (times[0] > 0, times[1], out) == (True, 0.0, [20.0, 22.0, 24.0])
    times, out, *_ = in_new_process(tmp_path, cache, factor=3)
    assert (times[0] > 0, times[1], out) == (True, 0.0, [3.0, 6.0, 9.0])


@cuda.jit
def doubled(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = 2 * x[i]


def specialize() -> simt.Special:
    x, out = np.arange(8.0), np.zeros(8)
    special = simt.Kernel(doubled).specialize((x, out))
    simt.run(special, 1, 8, (x, out))
    np.testing.assert_array_equal(out, 2 * x)
    return special


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", str(tmp_path))
    return tmp_path / "simt"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: _cache.MAGIC + _cache.hashlib.sha256(b"no pickle").digest() + b"no pickle",
    ],
    ids=["empty", "cut", "flipped", "no pickle"],
)
def test_damaged_entries_are_dropped_and_written_anew(cache, caplog, damage):
    assert specialize().compile_s > 0
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert specialize().compile_s > 0
    assert "dropping" in caplog.text
    assert len(list(cache.iterdir())) == 1
    assert specialize().compile_s == 0


def test_no_cache_where_none_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    assert _cache.folder() is None
    assert specialize().compile_s > 0
    assert specialize().compile_s > 0


def test_a_folder_that_cannot_be_written_to_is_logged(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", str(tmp_path / "file"))
    assert specialize().compile_s > 0
    assert "cannot be written to" in caplog.text


def test_old_entries_go_when_there_are_too_many(cache, monkeypatch):
    monkeypatch.setattr(_cache, "MOST_ENTRIES", 4)
    cache.mkdir()
    for k in range(5):
        path = cache / f"old-{k}"
        path.write_bytes(b"")
        os.utime(path, (k, k))
    specialize()
    left = sorted(path.name for path in cache.iterdir())
    assert len(left) == 2
    assert left[1] == "old-4"


def test_entries_in_use_stay(cache):
    specialize()
    (path,) = cache.iterdir()
    os.utime(path, (1, 1))
    assert specialize().compile_s == 0
    assert path.stat().st_mtime > 1


def test_a_kernel_may_have_any_name(cache):
    x, out = np.arange(8.0), np.zeros(8)
    for expected in (True, False):
        special = simt.Kernel(doubled, name="../folder/ kernel").specialize((x, out))
        assert (special.compile_s > 0) is expected
    assert len(list(cache.iterdir())) == 1


class Opaque:
    pass


def test_values_are_described_alike_in_every_process():
    table = np.arange(4)
    assert _cache.describe(table) == _cache.describe(table.copy()) != _cache.describe(table + 1)
    assert _cache.describe(1) != _cache.describe(1.0) != _cache.describe(True)
    assert _cache.describe((1, "a", None)) == _cache.describe((1, "a", None))
    assert _cache.describe(np.float32) != _cache.describe(np.float64)
    assert _cache.describe(np.sin) != _cache.describe(np.cos)
    before, after = (enum.Enum("Colour", {"RED": 1, "BLUE": blue}, module="paints") for blue in (2, 3))
    assert _cache.describe(before) != _cache.describe(after)
    assert _cache.describe(before.RED) == _cache.describe(after.RED) == "paints.Colour.RED int 1"
    assert _cache.describe(before.BLUE) != _cache.describe(after.BLUE)
    with pytest.raises(_cache.Uncacheable):
        _cache.describe(Opaque())
    with pytest.raises(_cache.Uncacheable):
        _cache.describe(enum.Enum("Opaque", {"ONE": Opaque()}))


def test_every_module_of_the_compiler_counts(monkeypatch):
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or b"")
    _cache._surroundings.__wrapped__()
    assert {"_emit.py", "_flow.py", "_vectors.py"} <= set(read)


RECURSIVE = """
import numpy as np
from numba import cuda
from rkruntime import simt

@cuda.jit(device=True)
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)

@cuda.jit
def kernel(out):
    i = cuda.grid(1)
    out[i] = factorial(cuda.threadIdx.x)

out = np.zeros(10, np.int64)
simt.run(simt.Kernel(kernel).specialize((out,)), 1, 10, (out,))
print(out[-1])
"""


def test_recursive_kernels_run_in_the_next_process_too(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(RECURSIVE)
    environment = os.environ | {"RKRUNTIME_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):
        done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("362880\n", 0), done.stderr


EVERY_KIND = """
import json, sys
import numpy as np
from numba import cuda
from rkruntime import simt
from rkruntime.errors import KernelFault

@cuda.jit
def printing(x, out):
    i = cuda.grid(1)
    if i == 1:
        print("thread", i, "has", x[i])

@cuda.jit
def allocating(x, out):
    i = cuda.grid(1)
    pair = np.empty(2)
    pair[:] = x[i]
    out[i] = pair.sum()

@cuda.jit
def waiting(x, out):
    mine = cuda.shared.array(32, np.float64)
    i = cuda.threadIdx.x
    mine[i] = x[i]
    while mine[i] < 40:
        mine[i] += 1 + i
        if cuda.syncthreads_or(mine[i] > 39):
            break
    out[i] = mine[i]

@cuda.jit
def parting(x, out):
    mine = cuda.shared.array(32, np.float64)
    i = cuda.threadIdx.x
    mine[i] = x[i]
    cuda.syncwarp()
    if i < 16:
        mine[i] += mine[i + 16]
        cuda.syncwarp(0xFFFF)
    out[i] = mine[i]

@cuda.jit(debug=True)
def outside(x, out):
    out[out.size + cuda.threadIdx.x] = x[0]

def result(kernel, lowering=None):
    x, out = np.arange(32.0), np.zeros(32)
    special = simt.Kernel(kernel, lowering=lowering).specialize((x, out))
    try:
        simt.run(special, 1, 32, (x, out))
    except KernelFault as fault:
        return special.compile_s, [fault.what, fault.line]
    return special.compile_s, out.tolist()

found = [result(printing), result(allocating), result(waiting, "lanes"), result(waiting, "fibers"), result(outside)]
found.append(result(parting))  # lanes refuse it once its types are known
compilers = [name for name in sys.modules if name in ("rkruntime.simt._compile", "numba.np.arraymath")]
print(json.dumps([[took for took, _ in found], [out for _, out in found], compilers]))
"""


def test_kernels_of_every_kind_run_from_disk_without_the_compiler(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(EVERY_KIND)
    environment = os.environ | {"RKRUNTIME_CACHE_DIR": str(tmp_path / "cache")}
    printed = []
    for _ in range(2):
        done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    (said, first), (said_again, again) = printed
    assert said == said_again == "thread 1 has 1.0"
    (times, outs, _), (times_again, outs_again, compilers) = json.loads(first), json.loads(again)
    assert all(times)
    assert not any(times_again)
    assert compilers == []
    assert outs == outs_again
    assert outs[1] == [2.0 * k for k in range(32)]
    assert outs[2] == outs[3]
    assert "out of bounds" in outs[4][0]
    assert outs[5] == [16.0 + 2 * k for k in range(16)] + [float(k) for k in range(16, 32)]


def test_machine_code_that_refers_to_what_is_not_here_is_not_linked() -> None:
    with pytest.raises(LookupError, match="no_such_function"):
        _on_disk._provide(["no_such_function"])
