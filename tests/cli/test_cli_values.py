"""What people write on the command line: numbers, sizes, NAME=VALUE."""

import click
import numpy as np
import pytest

from rkruntime.cli._values import like_example, parse_extent, parse_named, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.0", 2.0),
        ("3", 3),
        ("-3", -3),
        ("0x10", 16),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("1+2j", 1 + 2j),
        ("2.5:f4", np.float32(2.5)),
        ("3:f4", np.float32(3)),
        ("7:u1", np.uint8(7)),
        ("1,2,3", (1, 2, 3)),
        ("(1, 2.5)", (1, 2.5)),
        ("5,", (5,)),
    ],
)
def test_numbers(text: str, value) -> None:
    parsed = parse_value(text, {})
    assert parsed == value
    assert type(parsed) is type(value)


def test_not_a_number_is_a_number() -> None:
    assert np.isnan(parse_value("nan", {}))


@pytest.mark.parametrize("text", ["two", "1:f9", "2.5:i4", "300:u1", "zeros:a", "zeros:-3:f4", "like:x", "", "1,a"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_value(text, {"a": 3})


def test_arrays_of_zeros() -> None:
    made = parse_value("zeros:2x3:f8", {})
    assert (made.shape, made.dtype) == ((2, 3), np.float64)
    assert parse_value("zeros:5", {}).dtype == np.float32
    model = np.ones((4, 2), np.int16)
    like = parse_value("like:x", {"x": model})
    assert (like.shape, like.dtype, like.any()) == ((4, 2), np.int16, np.False_)
    assert parse_value("like:x:f4", {"x": model}).dtype == np.float32


@pytest.mark.parametrize(
    ("text", "extent"), [("1000", 1000), ("64,32", (64, 32)), ("64x32x2", (64, 32, 2)), ("1_000", 1000), (None, None)]
)
def test_sizes(text: str | None, extent) -> None:
    assert parse_extent(text, "--over") == extent


def test_what_is_no_size_names_its_option() -> None:
    with pytest.raises(click.BadParameter) as caught:
        parse_extent("abc", "--over")
    assert caught.value.param_hint == "--over"


def test_names() -> None:
    assert parse_named("x=a=b.npy", "--input") == ("x", "a=b.npy")
    for text in ("x", "=3", "x=", "1x=3"):
        with pytest.raises(click.BadParameter):
            parse_named(text, "--set")


def test_number_takes_the_examples_type_where_nothing_is_lost() -> None:
    assert type(like_example(3, np.float32(2.5))) is np.float32
    assert type(like_example(0.1, np.float32(2.5))) is np.float32
    assert like_example(2.5, 3) == 2.5
    assert like_example(300, np.uint8(3)) == 300
    assert type(like_example(300, np.uint8(3))) is int
    assert like_example(1e300, np.float32(1)) == 1e300
    assert type(like_example(np.float64(1), np.float32(1))) is np.float64
    assert like_example(3, None) == 3
