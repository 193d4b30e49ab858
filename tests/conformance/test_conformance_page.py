"""The page about numba-cuda's own tests: what it says of tests comes from their text and from what became of them."""

from __future__ import annotations

import pytest
from write_page import conditions, is_marked, page

MARK = "skip_unless_cudasim"
OWN = "cudapy.test_stream_api.TestStreamAPI.test_external_stream_simulator_unavailable"
OF_ITS_CLASS = "cudapy.test_array_alignment.TestCudasimUnsupportedAlignment.test_local_unsupported"
OTHER = "cudapy.test_stream_api.TestStreamAPI.test_stream_create_and_sync"


@pytest.mark.parametrize(("name", "marked"), [(OWN, True), (OF_ITS_CLASS, True), (OTHER, False)])
def test_marks_are_read_from_the_text_of_a_test_or_its_class(name: str, marked: bool) -> None:
    assert is_marked(name, MARK) is marked


def test_tests_of_the_simulator_itself_are_told_apart_from_what_fails() -> None:
    module = "cudapy.test_stream_api"

    def results(outcome: str) -> dict[str, dict[str, object]]:
        tests = {
            name: {"test": name, "outcome": outcome, "reason": f"why {name}", "seconds": 1.0} for name in (OWN, OTHER)
        }
        return {module: {"processor_s": 2.0, "load": 2.5, "tests": tests}}

    runs = {"simulator": results("pass"), "first": results("pass"), "again": results("pass"), "whole": results("skip")}
    lines = list(page(runs, {"processor": "any", "processors": 2, "modules_at_a_time": 1}))
    assert "- Of 2 tests that pass under the simulator, 0 pass here." in lines
    own, lost = (
        lines.index("## Tests of the simulator itself\n"),
        lines.index("## Pass under the simulator, and not here\n"),
    )
    assert f"  - `{OWN}`" in lines[own:lost]
    assert f"  - `{OTHER}`" in lines[lost:]


def test_how_busy_the_machine_was_is_told() -> None:
    loads = {str(k): {"load": load} for k, load in enumerate((2.0, 3.1, 9.0))}
    told = conditions({"simulator": loads}, {"processor": "any", "processors": 2, "modules_at_a_time": 1})
    assert "Its load was 3.1 in the median, and 9.0 at most" in told
