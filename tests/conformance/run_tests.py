"""Run one module of numba-cuda's own tests; write a line of JSON as each test begins and ends.

    python run_tests.py MODULE RESULTS CHOSEN

CHOSEN is a file of JSON: names of the tests `only` to run, where there are any, and of those that are `done`. Where
kernels run is up to the environment, which `run_modules.py` prepares.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path

ERROR_LINE = re.compile(
    r"^[A-Za-z_][\w.]*(Error|Exception|Kernel|Fault|Launch|Mismatch|Divergence|Exit|Interrupt)(:|$)"
)


def reason_of(text: str) -> str:
    """Return the line of a traceback that says what went wrong, without places of this machine."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [k for k, line in enumerate(lines) if ERROR_LINE.match(line)]
    at = errors[-1] if errors else max(len(lines) - 1, 0)
    said = " ".join(lines[at : at + 2]) if lines[at].rstrip().endswith(":") else lines[at]
    return re.sub(r"\S*/site-packages/(numba_cuda/)?", "", said)[:300]


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


class Recorder(unittest.TestResult):
    """Writes down what became of each test, and the processor time that it took."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.began_s = 0.0

    def write(self, test: unittest.TestCase, outcome: str, reason: str = "", detail: str = "") -> None:
        seconds = round(processor_seconds() - self.began_s, 6)
        with self.path.open("a") as file:
            line = {"test": test.id(), "outcome": outcome, "reason": reason, "detail": detail[-6000:]}
            file.write(json.dumps(line | {"seconds": seconds}) + "\n")

    def startTest(self, test):
        super().startTest(test)
        self.began_s = processor_seconds()
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
        self.write(test, "unexpected success")

    def _failed(self, test, err):
        if err[0].__name__ == "Skipped":  # pytest's
            self.addSkip(test, str(err[1]))
            return
        text = self._exc_info_to_string(err, test)
        self.write(test, "fail", reason_of(text), text)


def tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def main(module: str, results: str, chosen: str) -> None:
    warnings.simplefilter("default")
    choice = json.loads(Path(chosen).read_text())
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    wanted = [test for test in tests_in(suite) if test.id() in (choice["only"] or (test.id(),))]
    unittest.TestSuite([test for test in wanted if test.id() not in choice["done"]]).run(Recorder(Path(results)))


if __name__ == "__main__":
    main(*sys.argv[1:])
