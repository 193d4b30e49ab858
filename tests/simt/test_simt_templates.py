"""What runs blocks, compiled once for all kernels: kept on disk, found by others, and mended where it is damaged."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt import _cache, _fiber_intrinsics, _template  # noqa: F401 - the second gives stubs their meaning
from rkruntime.simt._seam import BLOCKS, DRIVE
from rkruntime.simt._template import Kind, template_of

pytestmark = pytest.mark.usefixtures("untraced")

KINDS = (
    Kind("loop"),
    Kind("loop", wide=True),
    Kind("lanes", width=8, wide=True),
    Kind("lanes", blocks=True),
    Kind("fibers"),
    Kind("fibers", warps=True),
    Kind("fibers", grid=True),
    Kind("fibers", warps=True, grid=True),
)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Nothing is compiled yet: neither on disk nor in this process."""
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_template, "_made", {})
    return tmp_path / "templates"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_template_has_nothing_of_the_process_that_compiled_it(kind, cache):
    module = template_of(kind)
    defined = {one.name for one in module.functions if not one.is_declaration and one.linkage.name == "external"}
    assert defined == {DRIVE, BLOCKS}
    called = {one.name for one in module.functions if one.is_declaration and not one.name.startswith("llvm.")}
    assert {name for name in called if not name.startswith("rk_")} == set()
    assert all(one.name.startswith(".const.pickle") for one in module.global_variables)


@cuda.jit
def doubled(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = 2 * x[i]


def specialize(cache: Path) -> bool:
    """Compile the kernel, whatever of it is on disk, and run it; return whether what runs blocks was compiled too."""
    _template._made.clear()
    for entry in (cache.parent / "simt").glob("*"):
        entry.unlink()
    compiled: list[Kind] = []
    x, out = np.arange(8.0), np.zeros(8)
    with pytest.MonkeyPatch.context() as patch:
        compile_ = _template._compiled
        patch.setattr(_template, "_compiled", lambda kind: compiled.append(kind) or compile_(kind))
        special = simt.Kernel(doubled).specialize((x, out))
    simt.run(special, 1, 8, (x, out))
    np.testing.assert_array_equal(out, 2 * x)
    assert special.compile_s > 0
    return bool(compiled)


def checked(payload: bytes) -> bytes:
    return _cache.MAGIC + _cache.hashlib.sha256(payload).digest() + payload


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: checked(b"no bitcode"),
        lambda data: checked(data[len(checked(b"")) :][:-400]),
        lambda data: checked(llvm.parse_assembly("").as_bitcode()),
    ],
    ids=["empty", "cut", "flipped", "no bitcode", "cut bitcode", "others' bitcode"],
)
def test_a_damaged_template_is_dropped_and_written_anew(cache, caplog, damage):
    assert specialize(cache)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert specialize(cache)
    assert "dropping" in caplog.text
    assert len(list(cache.iterdir())) == 1
    assert not specialize(cache)


def test_templates_are_compiled_where_nothing_can_be_kept(cache, monkeypatch, caplog):
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    assert specialize(cache)
    assert specialize(cache)
    (cache.parent / "file").write_text("in the way")
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", str(cache.parent / "file"))
    assert specialize(cache)
    assert "cannot be written to" in caplog.text


SCRIPT = """
import linecache, sys
import numpy as np
from numba import cuda
from rkruntime import simt

def kernel_of(word):
    mixing = "\\n".join(f"    v = v * {len(word) + k} + (v >> {k % 7})" for k in range(150))
    text = f'''
@cuda.jit(device=True)
def mixed(v):
{mixing}
    return v

@cuda.jit
def kernel(x, out):
    i = cuda.grid(1)
    if i == 1:
        print("{word}", x[i])
    for k in range(3):
        out[i] += mixed(x[i] + k) ^ mixed(out[i])
'''
    file = f"<{word}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    made = {"cuda": cuda, "__name__": "__main__"}
    exec(compile(text, file, "exec"), made)
    return made["kernel"]

def wanted(word, x):
    def mixed(v):
        for k in range(150):
            v = v * (len(word) + k) + (v >> (k % 7))
        return v
    out = np.zeros_like(x)
    for k in range(3):
        out += mixed(x + k) ^ mixed(out)
    return out

for word in sys.argv[1:]:
    x, out = np.arange(4), np.zeros(4, np.int64)
    special = simt.Kernel(kernel_of(word)).specialize((x, out))
    simt.run(special, 1, 4, (x, out))
    np.testing.assert_array_equal(out, wanted(word, x))
    print(special.compile_s > 0)
drive = getattr(sys.modules.get("rkruntime.simt._drive"), "drive", None)
print(drive is not None and len(drive.overloads) > 0)
"""


def start(script: Path, cache: Path, *words: str) -> "subprocess.Popen[str]":
    script.write_text(SCRIPT)
    environment = {**os.environ, "RKRUNTIME_CACHE_DIR": str(cache)}
    command = [sys.executable, str(script), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def printed(process: "subprocess.Popen[str]") -> list[str]:
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return out.splitlines()


def test_what_several_processes_compiled_alike_is_kept_apart_in_another(tmp_path):
    script, cache = tmp_path / "script.py", tmp_path / "cache"
    # Numba numbers functions, and both count alike: in the second and third what runs blocks is found on disk.
    assert printed(start(script, cache, "one")) == ["one 1", "True", "True"]
    for word in ("two", "three"):
        assert printed(start(script, cache, word)) == [f"{word} 1", "True", "False"]
    found = printed(start(script, cache, "three", "two", "one"))
    assert found == ["three 1", "False", "two 1", "False", "one 1", "False", "False"]
    # And beside what this process compiles itself.
    found = printed(start(script, cache, "two", "other", "three"))
    assert found == ["two 1", "False", "other 1", "True", "three 1", "False", "False"]


def test_processes_may_write_the_same_template_at_once(tmp_path):
    script, cache = tmp_path / "script.py", tmp_path / "cache"
    both = [start(script, cache, word) for word in ("one", "two")]
    assert [printed(process)[:2] for process in both] == [["one 1", "True"], ["two 1", "True"]]
    assert len(list((cache / "templates").iterdir())) == 1
    assert printed(start(script, cache, "three")) == ["three 1", "True", "False"]
