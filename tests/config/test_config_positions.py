from typing import Any

import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.config._positions import find_places

TEXT = (
    """\
# a comment with key = 1
top = "a # = [x]"   # another
"quoted key" = 'it"""
    + """'s'
[a.b] # header
x.y = { p = 1, q.r = [2, { s = "}" }] }
many = [ # in an array
  "]", 1, # ]
]
long = \"\"\"
k = 1 \\\"\"\" ""
\"\"\"
raw = '''
[no]
'''
[[ list ]]
z=1979-05-27T07:32:00Z
"""
)


def test_places_are_those_that_a_reader_would_count() -> None:
    text = TEXT.replace("'it'''s'", "'its'").replace("'it's'", "'its'")
    tomli.loads(text)
    assert find_places(text) == {
        ("top",): (2, 1),
        ("quoted key",): (3, 1),
        ("a", "b"): (4, 1),
        ("a", "b", "x", "y"): (5, 1),
        ("a", "b", "x", "y", "p"): (5, 9),
        ("a", "b", "x", "y", "q", "r"): (5, 16),
        ("a", "b", "x", "y", "q", "r", "s"): (5, 28),
        ("a", "b", "many"): (6, 1),
        ("a", "b", "long"): (9, 1),
        ("a", "b", "raw"): (12, 1),
        ("list",): (15, 1),
        ("list", "z"): (16, 1),
    }
    assert find_places(text.replace("\n", "\r\n")) == find_places(text)


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.text("ab\"'.,#=[]{}\\\n é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\"'.#=] \\", min_size=1), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(value, dict):
        return set().union(*(leaves(inner, (*path, key)) for key, inner in value.items())) or {path}
    if isinstance(value, list):
        inner = [leaves(item, path) for item in value if isinstance(item, dict | list)]
        return {path}.union(*inner)
    return {path}


@given(st.dictionaries(st.text("abc\"'.#=] ", min_size=1), VALUES, max_size=4))
def test_every_key_that_the_parser_finds_has_a_place(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    places = find_places(text)
    found = {path for path in leaves(tomli.loads(text)) if path}
    assert found <= set(places), text
    for line, column in places.values():
        assert text.split("\n")[line - 1][column - 1 :].strip()
