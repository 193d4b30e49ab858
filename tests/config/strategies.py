"""Configurations of every kind, read off the fields."""

from typing import Any

import attrs
from hypothesis import strategies as st

from rkruntime.config import ProductionConfig, Setting, settings
from rkruntime.config._kinds import Boolean, Bytes, Count, Fraction, Kind, Maybe, OneOf, Seconds, Text
from rkruntime.config._load import combine
from rkruntime.config._sources import argument_layer
from rkruntime.units import ByteSize, Duration

LEVELS = ("pressure", "critical", "emergency")
LINES = st.text("aZ09 \"'\\#=[]{}.,é∞%$", min_size=1, max_size=12)
HASHES = st.integers(0, 10**9).map(lambda n: f"abcd2345:scrypt:14:8:1:{n:022d}:{n:043d}")
FORMS = {
    "user|group": st.sampled_from(["user:ann=admin", "group:gpu-users = operator; user:1001=viewer;"]),
    "https": st.sampled_from(["http://a", "https://b:4318/x"]),
    "scrypt": HASHES,
    "viewer": st.sampled_from(["gpu-users=operator", "CN=ann,O=Lab = admin; DNS:cron.lab=viewer;"]),
}
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def values(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Maybe():
            return st.none() | values(kind.kind)
        case Boolean():
            return st.booleans()
        case Count():
            return st.integers(kind.at_least, 2**70 if kind.at_most is None else kind.at_most)
        case Fraction():
            return st.floats(0, 1, exclude_min=not kind.zero)
        case Seconds():
            return st.floats(0, 1e300, exclude_min=not kind.zero).map(Duration)
        case Bytes():
            return st.integers(1, 2**70).map(ByteSize)
        case OneOf():
            return st.sampled_from(kind.names)
        case Text():
            return LINES.filter(kind.accepts) if kind == Text(form=kind.form) else texts(kind)
    raise NotImplementedError(kind)


def texts(kind: Text) -> st.SearchStrategy[str]:
    return next((form for start, form in FORMS.items() if start in kind.pattern), NAMES).filter(kind.accepts)


THRESHOLDS = tuple(f"memory.{name}" for name in ("hysteresis", *(f"{n}_threshold" for n in LEVELS)))


@st.composite
def configurations(draw: st.DrawFn) -> ProductionConfig:
    def value(setting: Setting) -> Any:
        return draw(values(setting.kind))

    given = {setting.path: value(setting) for setting in settings() if setting.path not in THRESHOLDS}
    edges = draw(st.lists(st.floats(0, 1, exclude_min=True), min_size=4, max_size=4, unique=True))
    given |= dict(zip(THRESHOLDS, sorted(edges), strict=True))
    if given["runtime.device"] == "cuda":
        given["runtime.gpu_enabled"] = True
    config = combine([argument_layer(given)]).config
    return attrs.evolve(config)
