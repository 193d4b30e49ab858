"""Planted secrets: none comes out of logs, whatever way it went in; and no folder is told to callers."""

import io
import json
import logging
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rkruntime.log import configure_logging, get_logger
from rkruntime.redact import HIDDEN, is_secret_name, redacted, redacted_fields, redacted_text, without_folders

KEY = "rk_8f3kq2mz_Zm9vYmFyYmF6cXV1eGZvb2JhcmJhenF1dXg"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBmZ\nabcd\n-----END EC PRIVATE KEY-----"
SCRYPT = "scrypt:14:8:1:c2FsdHNhbHRzYWx0:aGFzaGhhc2hoYXNoaGFzaA"
TEXTS = {
    f"refused the key {KEY} of a client": KEY,
    f"token={JWT}": JWT,
    f"Authorization: Bearer {KEY}": KEY,
    "authorization=Bearer hunter2hunter2": "hunter2hunter2",
    "Basic dXNlcjpodW50ZXIy": "dXNlcjpodW50ZXIy",
    f"cannot load {PEM} here": "MHcCAQEEIBmZ",
    "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIBmZ": "MHcCAQEEIBmZ",
    "GET https://alice:hunter2@example.org/jwks": "hunter2",
    f"no such hash {SCRYPT}": "aGFzaGhhc2hoYXNoaGFzaA",
}


@pytest.mark.parametrize(("text", "secret"), TEXTS.items())
def test_secrets_are_known_by_their_form(text: str, secret: str) -> None:
    clean = redacted_text(text)
    assert secret not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize("name", ["password", "API_KEY", "x-api-key", "authorization", "oidc.client_secret", "cookie"])
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret_name(name)
    assert redacted({name: "plain", "of": [{name: ("a", "b")}]}) == {name: HIDDEN, "of": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "saxpy",
        "basic allocation of blocks",
        "a bearer of news",
        "http://localhost:4318/v1",
        "rk_short",
        "key=saxpy",
    ],
)
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert redacted_text(text) == text
    assert not is_secret_name("kernel")
    assert not is_secret_name("key")
    assert redacted({"kernel": text, "n": 1, "x": None}) == {"kernel": text, "n": 1, "x": None}


@given(st.recursive(st.text() | st.integers() | st.none(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)))
def test_no_value_makes_it_raise(value: object) -> None:
    redacted(value)


@given(
    st.dictionaries(
        st.sampled_from(["a", "token", "b"]), st.sampled_from([*TEXTS, "x", 1, None, ["Basic QWxhZGRpbg=="]])
    )
)
def test_the_quick_way_hides_what_the_long_one_does(fields: dict[str, object]) -> None:
    assert dict(redacted_fields(fields)) == redacted(fields)


@attrs.frozen
class Asked:
    by: str


@pytest.fixture(params=["json", "console"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    logger, root = logging.getLogger("rkruntime"), logging.getLogger()
    before, others = (logger.handlers[:], logger.level, logger.propagate), root.handlers[:]
    configure_logging("debug", request.param)
    out = io.StringIO()
    handler = logger.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(out)
    yield out
    logger.handlers[:], logger.level, logger.propagate = before
    root.handlers[:] = others


def test_no_planted_secret_is_logged(written: io.StringIO) -> None:
    log = get_logger("rkruntime.test")
    for text, secret in TEXTS.items():
        log.warning(text)
        log.info("a field", text=text, nested={"list": [text]}, object=Asked(text), raw=text.encode())
        log.info("a named field", password=secret, headers={"Authorization": secret})
        logging.getLogger("rkruntime.plain").error("printed %s", text)
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("it failed")
            logging.getLogger("rkruntime.plain").exception("it failed")
            logging.getLogger("uvicorn.error").exception("it failed there: %s", text)
    told = written.getvalue()
    assert told.count(HIDDEN) >= 11 * len(TEXTS)
    assert {secret for secret in TEXTS.values() if secret in told} == set()


def test_json_stays_json(written: io.StringIO) -> None:
    get_logger("rkruntime.test").info("a key", text=f'"{KEY}"', url="http://a:b@c")
    line = written.getvalue()
    if line.startswith("{"):
        assert json.loads(line)["text"] == f'"{HIDDEN}"'


PARTS = st.text("abcXYZ09_.-+@", min_size=1, max_size=8).filter(lambda part: part.strip("."))


@given(st.lists(PARTS, min_size=2, max_size=6), st.sampled_from(["{}", "at {}:12: wrong", 'File "{}", line 3', "({})"]))
def test_no_folder_is_told(parts: list[str], around: str) -> None:
    told = without_folders(around.format("/" + "/".join(parts)))
    assume(parts[0] not in ("v1", "dashboard"))
    assert told == around.format(parts[-1])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('File "../kernels/served.py", line 7: x', 'File "served.py", line 7: x'),
        ("~/kernels/served.py:7", "served.py:7"),
        ("cannot write /var/log/rk/audit.jsonl: full", "cannot write audit.jsonl: full"),
    ],
)
def test_folders_are_cut_off(text: str, told: str) -> None:
    assert without_folders(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "see /openapi.json",
        "POST /v1/kernels/saxpy/launch again",
        "ask https://example.org/a/b.html",
        "send application/x-npy or multipart/form-data",
        "x[i] = y[i] / z[i] / 2",
        "10 // (a - i)",
        "and/or",
    ],
)
def test_what_is_no_path_of_a_file_is_kept(text: str) -> None:
    assert without_folders(text) == text
