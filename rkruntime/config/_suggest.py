"""What may have been meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from rkruntime.config._settings import PREFIX, SECTIONS, settings

__all__ = ("mend_for_path", "mend_for_variable", "nearest")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, if one does."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def mend_for_path(path: str) -> str:
    """Say which setting or section may have been meant by a path that is none."""
    section, _, spelled = path.rpartition(".")
    name = spelled.lower().replace("-", "_")
    elsewhere = [s.path for s in settings() if name in (s.name, s.other_key)]
    beside = {key: s.path for s in settings() if s.section == section for key in (s.name, s.other_key) if key}
    if elsewhere:
        return f"did you mean {beside.get(name, elsewhere[0])}?"
    if name in SECTIONS:
        return f"did you mean the table [{name}]?"
    if section == "" and (table := nearest(name, SECTIONS)):
        return f"did you mean the table [{table}]?"
    everywhere = {s.name: s.path for s in settings()}
    for known in (beside, everywhere):
        if close := nearest(name, known) or next((key for key in known if key.startswith(name)), None):
            return f"did you mean {known[close]}?"
    return _known_in(section)


def _known_in(section: str) -> str:
    tables = ", ".join(f"[{table}]" for table in SECTIONS if table)
    here = ", ".join(s.name for s in settings() if s.section == section)
    return f"known here: {here}" + ("" if section else f", {tables}") if here else f"the tables are {tables}"


def mend_for_variable(name: str) -> str:
    """Say which variable may have been meant by a name that is none."""
    known = {setting.variable.removeprefix(PREFIX): setting.variable for setting in settings()}
    close = nearest(name.removeprefix(PREFIX), known)  # without what all have in common
    return f"did you mean {known[close]}?" if close else "`rustkernel config env` lists them"
