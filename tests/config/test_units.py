import pytest
from hypothesis import given
from hypothesis.strategies import integers

from rkruntime.units import format_bytes, format_seconds, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("4096", 4096), ("64KiB", 65536), ("1.5GiB", 3 * 2**29), (" 2 mb ", 2_000_000), ("1TiB", 2**40), ("0", 0)],
)
def test_bytes_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.5", "0.3B", "1e9", "5 parsecs", "nan", "1 2"])
def test_bad_bytes_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("60s", 60), ("250ms", 0.25), ("1.5h", 5400), ("2m", 120)])
def test_seconds_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["-1s", "soon", "inf", "1 fortnight"])
def test_bad_seconds_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_seconds(text)


@given(integers(0, 2**50))
def test_bytes_round_trip_within_three_digits(count: int) -> None:
    assert parse_bytes(format_bytes(count).replace(" ", "")) == pytest.approx(count, rel=6e-3, abs=0.5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (7.6e-3, "7.6 ms"), (2e-9, "2 ns"), (90, "90 s"), (float("inf"), "∞"), (12e-6, "12 µs")],
)
def test_seconds_are_written(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
