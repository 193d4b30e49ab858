"""Options of the whole test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-gpu", action="store_true", help="fail, and do not skip, where no GPU can be opened")
    parser.addoption(
        "--contract-device", choices=("double", "simulator"), help="run the device contract on this device alone"
    )
