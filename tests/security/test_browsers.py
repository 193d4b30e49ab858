"""What browsers are told, and what foreign pages make them send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.security import PAGE_POLICY, SECURITY_HEADERS, Attempts, Hosts, security_headers, why_foreign

ANY = Hosts(None)
HERE = {"host": "gpu.lab:8080"}


@pytest.mark.parametrize("media_type", ["application/json", "text/html; charset=utf-8", "text/event-stream", ""])
@pytest.mark.parametrize("tls", [False, True])
def test_the_table_of_headers(media_type: str, tls: bool) -> None:
    headers = security_headers(media_type, tls=tls)
    assert set(headers) - set(SECURITY_HEADERS) == ({"strict-transport-security"} if tls else set())
    assert (headers["content-security-policy"] == PAGE_POLICY) == media_type.startswith("text/html")
    for word in ("unsafe", "*", "http:", "https:"):
        assert word not in headers["content-security-policy"]
    for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert directive in headers["content-security-policy"]
    assert all(name == name.lower() and value.isprintable() for name, value in headers.items())


@pytest.mark.parametrize(
    ("method", "headers", "foreign"),
    [
        ("GET", HERE, False),
        ("POST", HERE, False),
        ("POST", HERE | {"origin": "http://gpu.lab:8080"}, False),
        ("POST", HERE | {"origin": "https://gpu.lab:8080"}, False),
        ("POST", {"host": "GPU.lab", "origin": "https://gpu.lab"}, False),
        ("POST", {"host": "gpu.lab:443", "origin": "https://gpu.lab"}, False),
        ("POST", HERE | {"origin": "http://gpu.lab:8081"}, True),
        ("POST", HERE | {"origin": "http://gpu.lab"}, True),
        ("POST", HERE | {"origin": "http://gpu.lab:8080.evil.org"}, True),
        ("POST", HERE | {"origin": "null"}, True),
        ("POST", HERE | {"origin": ""}, True),
        ("POST", HERE | {"sec-fetch-site": "cross-site"}, True),
        ("POST", HERE | {"sec-fetch-site": "same-site"}, True),
        ("POST", HERE | {"sec-fetch-site": "none"}, False),
        ("DELETE", HERE | {"origin": "https://evil.org"}, True),
        ("BREW", HERE | {"origin": "https://evil.org"}, True),
        ("GET", HERE | {"origin": "https://evil.org", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_state_changes_come_from_own_pages_and_programs(method: str, headers: dict[str, str], foreign: bool) -> None:
    told = headers.get("origin"), headers.get("sec-fetch-site")
    assert (why_foreign(method, headers["host"], ANY, origin=told[0], site=told[1]) is not None) == foreign


@pytest.mark.parametrize(
    ("allowed", "bound_to", "host", "let"),
    [
        (None, "127.0.0.1", "127.0.0.1:8080", True),
        (None, "127.0.0.1", "localhost:8080", True),
        (None, "localhost", "LOCALHOST.", True),
        (None, "::1", "[::1]:8080", True),
        (None, "127.0.0.1", "evil.org:8080", False),
        (None, "127.0.0.1", "localhost.evil.org", False),
        (None, "127.0.0.1", "", False),
        (None, "0.0.0.0", "gpu.lab", True),
        ("gpu.lab, gpu.internal", "0.0.0.0", "gpu.internal:443", True),
        ("gpu.lab, gpu.internal", "0.0.0.0", "GPU.LAB", True),
        ("gpu.lab", "0.0.0.0", "10.0.0.7:8080", True),
        ("gpu.lab", "0.0.0.0", "evil.org", False),
        ("gpu.lab", "127.0.0.1", "localhost", False),
    ],
)
def test_hosts_are_the_services_own(allowed: str | None, bound_to: str, host: str, let: bool) -> None:
    hosts = Hosts.of(allowed, bound_to)
    assert (why_foreign("GET", host, hosts) is None) == let


@given(st.text(), st.text())
def test_no_header_makes_it_raise(host: str, origin: str) -> None:
    why_foreign("POST", host, Hosts.of(None, "127.0.0.1"), origin=origin)


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


def test_failures_are_let_in_bursts_and_then_at_a_rate() -> None:
    clock = Clock()
    attempts = Attempts(burst=3, per_s=0.5, ticks=clock)
    for _ in range(3):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert attempts.wait_s("a") == 2.0
    assert attempts.wait_s("b") == 0
    clock.s += 1.9
    assert attempts.wait_s("a") > 0
    clock.s += 0.2
    assert attempts.wait_s("a") == 0
    clock.s += 1000
    for _ in range(3):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert attempts.wait_s("a") > 0


@given(st.lists(st.integers(0, 20), max_size=100))
def test_what_is_kept_of_addresses_is_bounded(peers: list[int]) -> None:
    attempts = Attempts(most=5, ticks=Clock())
    for peer in peers:
        attempts.failed(str(peer))
    assert len(attempts._failures) <= 5
