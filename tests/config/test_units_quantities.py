import json
import pickle

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from rkruntime.units import ByteSize, Duration, parse_bytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (30, "30s"),
        (90, "90s"),
        (60, "1m"),
        (7200, "2h"),
        (0.1, "100ms"),
        (1.5, "1.5s"),
        (50e-6, "50us"),
        (0, "0s"),
        (2e-9, "0.002us"),
        (float("inf"), "inf"),
    ],
)
def test_a_duration_prints_with_its_unit(seconds: float, text: str) -> None:
    assert f"{Duration(seconds)}" == str(Duration(seconds)) == text
    assert repr(Duration(seconds)) == f"Duration({text!r})"


@pytest.mark.parametrize(
    ("count", "text"),
    [(4 * 2**30, "4GiB"), (3 * 2**29, "1536MiB"), (1000, "1000B"), (2048, "2KiB"), (0, "0B"), (2**41, "2TiB")],
)
def test_a_byte_size_prints_with_its_unit(count: int, text: str) -> None:
    assert f"{ByteSize(count)}" == str(ByteSize(count)) == text
    assert repr(ByteSize(count)) == f"ByteSize({text!r})"


@given(floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_duration_is_read_back_exactly(seconds: float) -> None:
    assert Duration(str(Duration(seconds))) == seconds


@given(integers(0, 2**63))
def test_a_byte_size_is_read_back_exactly(count: int) -> None:
    assert ByteSize(str(ByteSize(count))) == count == parse_bytes(str(count))


def test_quantities_are_plain_numbers_to_code() -> None:
    assert Duration("250ms") * 2 == 0.5
    assert f"{Duration(1.25):.1f}" == "1.2"
    assert ByteSize("1.5GiB") // 2**20 == 1536
    assert hash(Duration(30)) == hash(30.0)
    assert json.dumps([Duration("30s"), ByteSize("4KiB")]) == "[30.0, 4096]"
    assert pickle.loads(pickle.dumps((Duration(1.5), ByteSize(7)))) == (1.5, 7)
