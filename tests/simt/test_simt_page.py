"""The page that carries one kernel through all passes says what the compiler prints today."""

import runpy
import sys
from pathlib import Path

import pytest

from rkruntime.simt._registers import register_bytes

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.skipif(register_bytes() < 32, reason="the page tells of vectors of 32 threads")
@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the page tells of the code that Python 3.11 compiles; others' lines differ"
)
def test_the_page_of_the_compiler_is_up_to_date():
    written = runpy.run_path(str(DOCS / "write_cpu_compiler.py"))["page"]()
    assert (DOCS / "cpu-compiler.md").read_text() == written, "run `make docs`"
