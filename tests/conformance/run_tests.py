"""Run one module of numba-cuda's own tests; write a line of JSON as each test begins and ends.

    python run_tests.py MODE MODULE RESULTS [SKIPPED_TEST ...]

MODE is `dropin` or `simulator`. Tests named at the end are left out: those that ended the process before.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path


def lines_of(text: str) -> str:
    """Return the last line of a traceback that says what went wrong, without the place."""
    lines = [line for line in text.splitlines() if line.strip()]
    starts = [
        k for k, line in enumerate(lines) if not line.startswith(" ") and ("Error" in line or "Exception" in line)
    ]
    said = lines[starts[-1]] if starts else (lines[-1] if lines else "")
    return said[:300]


class Recorder(unittest.TestResult):
    """Writes down what became of each test."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.failed_part = None

    def write(self, test: unittest.TestCase, outcome: str, reason: str = "", detail: str = "") -> None:
        with self.path.open("a") as file:
            line = {"test": test.id(), "outcome": outcome, "reason": reason, "detail": detail[-6000:]}
            file.write(json.dumps(line) + "\n")

    def startTest(self, test):
        super().startTest(test)
        self.failed_part = None
        self.write(test, "begun")

    def addSuccess(self, test):
        self.write(test, "pass")

    def addSkip(self, test, reason):
        self.write(test, "skip", reason)

    def addFailure(self, test, err):
        self._failed(test, err)

    def addError(self, test, err):
        self._failed(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._failed(test, err)

    def addExpectedFailure(self, test, err):
        self.write(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.write(test, "fail", "passes, though its author expects it to fail")

    def _failed(self, test, err):
        text = self._exc_info_to_string(err, test)
        self.write(test, "fail", lines_of(text), text)


def tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def main(mode: str, module: str, results: str, *left_out: str) -> None:
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1" if mode == "simulator" else "0"
    if mode == "dropin":
        import rkruntime.dropin

        rkruntime.dropin.install()
    warnings.simplefilter("default")
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    wanted = [test for test in tests_in(suite) if test.id() not in left_out]
    unittest.TestSuite(wanted).run(Recorder(Path(results)))


if __name__ == "__main__":
    main(*sys.argv[1:])
