"""The JSON Schema and the loader take the same files."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend
from strategies import values

from rkruntime.config import Setting, json_schema, settings
from rkruntime.config._load import examine
from rkruntime.config._sources import _Reading
from rkruntime.errors import ConfigurationProblem

NOT_SAID = ("below memory.", "since runtime.gpu_enabled")
"""What compares two values, which a schema cannot say."""


def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """A schema's patterns are ECMA's, whose `$` is the very end; Python's lets a line end stand behind it."""
    if isinstance(instance, str) and not re.search(wanted.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"{instance!r} does not match {wanted!r}")


SCHEMA = extend(Draft4Validator, {"pattern": pattern})(json_schema())
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, 8.0, 85, 10**400, -1, 0.0, -0.0, 1e-320, 1.5])
TEXTS = st.from_regex(r"[0-9.]{1,4} ?([kKmMgGtTµun]?[iI]?[bBsSmhd]|min|min|inf|\u212aB)?\n?", fullmatch=True)
JUNK = st.booleans() | NUMBERS | TEXTS | st.text(max_size=5) | st.lists(st.integers(), max_size=2) | st.just({"x": 1})


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A file as the parser gives it: some settings, with values that are right, or nearly, or not at all."""
    document: dict[str, Any] = {}
    for setting in draw(st.lists(st.sampled_from(settings()), max_size=3, unique=True)):
        table = document.setdefault(setting.section, {}) if setting.section else document
        kind = getattr(setting.kind, "kind", setting.kind)
        wrong = draw(st.integers(0, 4)) == 0
        key = setting.other_key if setting.other_key and draw(st.booleans()) else setting.name
        right = st.floats(1e-9, 1e9) if key == setting.other_key else values(kind).map(kind.write)
        table[key] = draw(TEXTS | JUNK if wrong else right)
        if wrong and setting.other_key and draw(st.booleans()):
            table[setting.name] = table[setting.other_key] = 1.0
    if draw(st.integers(0, 9)) == 0:
        document[draw(st.sampled_from(["memory", "nosuch", "runtime"]))] = draw(JUNK | st.just({"nosuch": 1}))
    return document


def as_json(value: Any) -> Any:
    """JSON has neither infinities nor what is no number; plug-ins make null of them."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def said_of(document: dict[str, Any]) -> list[ConfigurationProblem]:
    errors = examine([_Reading("c", {}).read(document)], None).errors
    return [problem for problem in errors if not any(text in problem.mend for text in NOT_SAID)]


@given(documents())
@hypothesis_settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_schema_takes_what_the_loader_takes_and_nothing_else(document: dict[str, Any]) -> None:
    refused = list(SCHEMA.iter_errors(as_json(document)))
    problems = said_of(document)
    event("refused" if problems else "taken")
    assert bool(refused) == bool(problems), (document, refused, problems)


EDGES = [
    *(True, False, 0, 1, -1, 2, 85, 65535, 65536, 2**64, 10**400, [], [1], {}, {"x": 1}),
    *(0.0, -0.0, 0.5, 1.0, 1.5, 8.0, -1.5, 5e-324, 1e300, float("inf"), float("nan")),
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "1.5",
        "1.5B",
        "1b",
        "0KiB",
        "0.0kb",
        "0.0001KiB",
        "16GiB",
        "16 gib",
        "16GiB ",
        " 1",
        "1e3",
    ),
    *("0s", "30s", "30S", "1.5h", "2 min", "5us", "5µs", "5μs", "1\n", "30s\n", "1" * 19, "1" * 18, "1." + "1" * 19),
    *(
        "true",
        "yes",
        "auto",
        "cpu",
        "gpu",
        "info",
        "INFO",
        "json",
        "hp",
        "a b",
        "a\n",
        "a" * 101,
        "http://a",
        "a=admin",
    ),
]


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.path)
def test_the_schema_takes_the_same_edges_of_every_setting(setting: Setting) -> None:
    for key in filter(None, (setting.name, setting.other_key)):
        for value in EDGES:
            document = {setting.section: {key: value}} if setting.section else {key: value}
            refused = list(SCHEMA.iter_errors(as_json(document)))
            assert bool(refused) == bool(said_of(document)), (key, value)


def test_the_schema_is_one() -> None:
    Draft4Validator.check_schema(json_schema())
    assert set(json_schema()["properties"]["runtime"]["properties"]) >= {"worker_threads", "shutdown_timeout_secs"}
