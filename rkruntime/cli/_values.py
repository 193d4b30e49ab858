"""Read what people write on the command line: NAME=..., numbers with a dtype, sizes. Reads no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click
import numpy as np

__all__ = ("like_example", "parse_extent", "parse_named", "parse_value")

WORDS = {"true": True, "false": False}


def parse_named(text: str, option: str) -> tuple[str, str]:
    """Split `NAME=REST`.

    Raises:
        click.BadParameter: There is no name, or nothing after it.
    """
    name, equals, rest = text.partition("=")
    if not equals or not name.strip().isidentifier() or not rest:
        raise click.BadParameter(f"{text!r} is not NAME={'FILE' if option != '--set' else 'VALUE'}", param_hint=option)
    return name.strip(), rest


def parse_extent(text: str | None, option: str) -> int | tuple[int, ...] | None:
    """Read a length, or up to three: `1000`, `64,64`, `64x64`.

    Raises:
        click.BadParameter: It is no such thing.
    """
    if text is None:
        return None
    parts = text.replace("x", ",").replace("_", "").split(",")
    try:
        lengths = tuple(int(part) for part in parts)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no size such as 1000 or 64,64", param_hint=option) from None
    return lengths[0] if len(lengths) == 1 else lengths


def parse_value(text: str, known: Mapping[str, Any]) -> Any:
    """Read a number with or without a dtype, a tuple of numbers, `zeros:SHAPE:DTYPE`, or `like:NAME`.

    Args:
        text: What was written.
        known: Arguments that are there already, for `like:`.

    Raises:
        click.BadParameter: It is none of these.
    """
    head, _, rest = text.partition(":")
    if head == "zeros":
        size, _, dtype = rest.partition(":")
        shape = parse_extent(size, "--set")
        assert shape is not None
        return _zeros(text, shape, _dtype(dtype or "f4"))
    if head == "like":
        name, _, dtype = rest.partition(":")
        model = known.get(name)
        if not isinstance(model, np.ndarray):
            arrays = [each for each, value in known.items() if isinstance(value, np.ndarray)]
            raise _no_value(text, f"{name!r} is no array; arrays so far: {', '.join(arrays) or 'none'}")
        return np.zeros(model.shape, _dtype(dtype) if dtype else model.dtype)
    if "," in text:
        return tuple(_number(part) for part in text.strip("()").split(",") if part.strip())
    return _number(text)


def like_example(value: Any, example: Any) -> Any:
    """Give a number the type that the example has, where no digit is lost; else leave it."""
    if isinstance(value, np.generic | tuple) or not isinstance(example, np.generic | int | float):
        return value
    try:
        with np.errstate(over="raise"):
            converted = type(example)(value)
    except (ArithmeticError, TypeError, ValueError):
        return value
    near = isinstance(converted, np.floating | float) and math.isclose(float(converted), float(value), rel_tol=1e-3)
    return converted if near or converted == value or value != value else value


def _number(text: str) -> Any:
    number, colon, dtype = text.strip().partition(":")
    plain: Any = WORDS.get(number.lower())
    for read in (lambda each: int(each, 0), float, complex):
        if plain is not None:
            break
        try:
            plain = read(number)
        except ValueError:
            continue
    if plain is None:
        raise _no_value(text, "write 2.0, 3, true, 2.0:f4, 1,2,3, zeros:1000:f4 or like:NAME")
    if not colon:
        return plain
    kind = _dtype(dtype)
    try:
        converted = kind.type(plain)
    except (OverflowError, TypeError, ValueError) as error:
        raise _no_value(text, f"{number} is no {kind}: {error}") from None
    if kind.kind in "iu" and converted != plain:
        raise _no_value(text, f"{number} is no {kind}")
    return converted


def _zeros(text: str, shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    try:
        return np.zeros(shape, dtype)
    except (ValueError, MemoryError) as error:
        raise _no_value(text, str(error)) from None


def _dtype(text: str) -> np.dtype[Any]:
    try:
        return np.dtype(text)
    except TypeError:
        raise _no_value(text, "no dtype; write f4, f8, i4, i8, u1, float32, ...") from None


def _no_value(text: str, why: str) -> click.BadParameter:
    return click.BadParameter(f"{text!r}: {why}", param_hint="--set")
