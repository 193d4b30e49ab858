"""A sample of numba-cuda's own tests in drop-in mode; `make conformance` runs them all."""

from __future__ import annotations

from collections import Counter

import pytest
from run_modules import run_module
from run_modules import test_modules as modules  # under its own name pytest would take it for a test

pytestmark = pytest.mark.usefixtures("untraced")

SAMPLE = {
    "numba.cuda.tests.cudadrv.test_array_attr": 11,
    "numba.cuda.tests.cudapy.test_idiv": 2,
    "numba.cuda.tests.doc_examples.test_vecadd": 1,
}


@pytest.mark.parametrize("module", SAMPLE)
def test_numba_cudas_tests_pass(module: str) -> None:
    found = run_module(module)
    failed = {test["test"]: test["reason"] for test in found["tests"] if test["outcome"] not in ("pass", "skip")}
    assert failed == {}
    assert Counter(test["outcome"] for test in found["tests"])["pass"] >= SAMPLE[module]


def test_all_modules_are_found() -> None:
    assert len(modules()) > 150
    assert set(SAMPLE) <= set(modules())
