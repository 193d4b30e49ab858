"""Options of the whole test run."""

from __future__ import annotations

from collections.abc import Iterator

import coverage
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-gpu", action="store_true", help="fail, and do not skip, where no GPU can be opened")
    parser.addoption(
        "--contract-device", choices=("double", "simulator"), help="run the device contract on this device alone"
    )


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """Let a module's tests run without being traced for coverage, in this process and in those that it starts.

    For tests that compile a great deal, of code which others cover: tracing takes half as long again as compiling.
    """
    tracing = coverage.Coverage.current()
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        if tracing is not None:
            tracing.stop()
        yield
        if tracing is not None:
            tracing.start()
