"""The chain: whatever is done to its lines is found."""

import json
import tempfile
from pathlib import Path

import pytest
from audit_files import chain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rkruntime.security import AuditVerdict, verify_audit
from rkruntime.security._chain import NOTHING, Link, line_of, read_line

LINES = chain(9)
HEAD = json.loads(LINES[-1])["hash"]
NAN = b'{"seq":1,"x":NaN,"prev":"","hash":""}'
bounded = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)


def verify(content: bytes, *, partial: bool = False, head: str | None = None) -> AuditVerdict:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return verify_audit([file.name], partial=partial, head=head)


def test_a_chain_is_whole() -> None:
    verdict = verify(b"".join(LINES))
    assert (verdict.whole, verdict.records, verdict.first, verdict.head) == (True, 9, 1, Link(9, HEAD))
    assert HEAD in str(verdict)
    assert verify(b"").whole


@bounded
@given(st.data())
def test_any_edit_is_found(data: st.DataObject) -> None:
    whole = b"".join(LINES)
    at = data.draw(st.integers(0, len(whole) - 1))
    put = data.draw(st.binary(max_size=3).filter(lambda new: new != whole[at : at + 1]))
    verdict = verify(whole[:at] + put + whole[at + 1 :])
    assert verdict.broken is not None
    assert verdict.broken.line <= whole[: at + 1].count(b"\n") + 2
    assert verdict.records <= whole[:at].count(b"\n")


@bounded
@given(st.data())
def test_any_insertion_is_found(data: st.DataObject) -> None:
    whole = b"".join(LINES)
    at = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(min_size=1, max_size=3) | st.sampled_from(LINES) | st.sampled_from([b" ", b"\n"]))
    assert not verify(whole[:at] + put + whole[at:]).whole


@bounded
@given(st.sets(st.integers(0, 8), min_size=1))
def test_any_deletion_of_lines_is_found_with_the_last_hash(gone: set[int]) -> None:
    left = [line for number, line in enumerate(LINES) if number not in gone]
    verdict = verify(b"".join(left), head=HEAD)
    first = min(gone)
    assert verdict.broken is not None
    assert (verdict.broken.line, verdict.broken.seq, verdict.records) == (first + 1, first + 1, first)
    inside = any(number not in gone for number in range(first, 9))
    assert verify(b"".join(left)).whole != inside  # what is cut off at the end, the noted hash alone shows


@bounded
@given(st.permutations(range(9)))
def test_any_other_order_is_found(order: list[int]) -> None:
    assert verify(b"".join(LINES[number] for number in order)).whole == (order == list(range(9)))


@bounded
@given(st.integers(0, sum(map(len, LINES)) - 1))
def test_any_truncation_is_found_with_the_last_hash(size: int) -> None:
    cut = b"".join(LINES)[:size]
    assert not verify(cut, head=HEAD).whole
    verdict = verify(cut)
    assert verdict.whole == (size == 0 or cut.endswith(b"\n"))
    assert verdict.broken is None or verdict.broken.torn


def test_a_chain_that_is_written_anew_is_found_with_the_last_hash() -> None:
    forged = b"".join(chain(9, Link(0, NOTHING.hash)))
    line, before = line_of({"event": "forged"}, NOTHING)
    forged = line + b"".join(chain(8, before))
    assert verify(forged).whole
    assert not verify(forged, head=HEAD).whole


def test_a_chain_begins_at_its_first_record_unless_it_need_not() -> None:
    rest = b"".join(LINES[3:])
    assert verify(rest).broken is not None
    assert verify(rest, partial=True).first == 4
    wrong = line_of({"event": "x"}, Link(0, "1" * 64))[0]
    assert not verify(wrong, partial=True).whole


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"1" * 5000,
        b'{"seq":true,"prev":"","hash":""}',
        b'{"seq":1,"prev":1,"hash":""}',
        b"[" * 10**5,
    ],
)
def test_what_is_no_record_is_told(line: bytes) -> None:
    assert isinstance(read_line(line), str)


def test_the_fields_of_the_chain_are_its_own() -> None:
    line, head = line_of({"seq": 7, "prev": "x", "hash": "y", "event": "e"}, NOTHING)
    assert json.loads(line) == {"seq": 1, "event": "e", "prev": NOTHING.hash, "hash": head.hash}


def test_several_files_are_one_chain_in_any_order(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("b", "c", "a")]
    for name, part in zip(names, (LINES[:3], LINES[3:6], LINES[6:]), strict=True):
        name.write_bytes(b"".join(part))
    verdict = verify_audit(list(reversed(names)))
    assert verdict.whole
    assert verdict.files == tuple(map(str, names))
    verdict = verify_audit([names[0], names[2]])
    assert verdict.broken is not None
    assert (verdict.path, verdict.broken.line, verdict.broken.seq) == (str(names[2]), 1, 4)
    names[1].write_bytes(b"".join(LINES[3:6])[:-5])
    verdict = verify_audit(names)
    assert verdict.broken is not None
    assert (verdict.path, verdict.broken.line, verdict.broken.torn) == (str(names[1]), 3, False)
