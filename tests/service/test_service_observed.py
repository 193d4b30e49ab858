"""What a running service tells: metrics for a real scrape, spans for a real collector, a trace for Perfetto."""

from pathlib import Path
from typing import Any

from otlp_collector import attributes, collecting
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from service_process import serving
from trace_format import load

from rkruntime.config import ProductionConfig
from rkruntime.observability import Observability
from rkruntime.service._incoming import Exchange
from rkruntime.service._limits import Limits
from rkruntime.service._observed import WENT_AWAY, Observed

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LAUNCH = "/v1/kernels/{name}/launch"
ASKED = {"args": {"x": [1.0, 2.0], "out": {"shape": [2], "dtype": "float64"}}, "over": 2}


def test_a_service_is_scraped_traced_and_drawn_under_one_id(tmp_path: Path) -> None:
    with collecting() as collector:
        config = '[runtime]\nlog_level = "debug"\nlog_format = "json"\n'
        config += f'[observability]\ntracing_enabled = true\notlp_endpoint = "{collector.url}"\n'
        with serving(tmp_path, "--trace", "trace.json", config=config) as service:
            headers = {"traceparent": HEADER, "x-request-id": "r-1"}
            answer = service.client.post("/v1/kernels/double/launch", json=ASKED, headers=headers)
            assert answer.json()["results"] == {"out": [2.0, 4.0]}
            assert service.client.get("/nowhere").status_code == 404
            accept = {"accept": "application/openmetrics-text; version=1.0.0"}
            scrape = service.client.get("/metrics", headers=accept)
            classic = service.client.get("/metrics")
            service.process.terminate()
            assert service.end() == 0
            logged = service.logged()
        request, launch = collector.named(f"POST {LAUNCH}"), collector.named("launch double")
        message = collector.named("message launch")
    assert request.trace_id.hex() == launch.trace_id.hex() == HEADER[3:35]
    assert request.parent_span_id.hex() == HEADER[36:52]
    assert (message.parent_span_id, launch.parent_span_id) == (request.span_id, message.span_id)
    assert attributes(request)["rkruntime.request_id"] == "r-1"
    assert scrape.headers["content-type"].startswith("application/openmetrics-text")
    samples = [s for family in openmetrics.text_string_to_metric_families(scrape.text) for s in family.samples]
    values = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
    served = (("method", "POST"), ("route", LAUNCH), ("status", "200"))
    assert values["rkruntime_http_requests_total", served] == 1
    assert values["rkruntime_http_requests_total", (("method", "GET"), ("route", ""), ("status", "404"))] == 1
    assert values["rkruntime_http_requests_in_flight", ()] == 1, "the scrape itself"
    assert values["rkruntime_launches_total", (("kernel", "double"), ("outcome", "completed"))] == 1
    exemplars = {s.name: s.exemplar.labels["trace_id"] for s in samples if s.exemplar is not None}
    assert exemplars["rkruntime_launch_seconds_bucket"] == HEADER[3:35]
    assert exemplars["rkruntime_http_request_seconds_bucket"]
    assert classic.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert list(parser.text_string_to_metric_families(classic.text))
    lines = [line for line in logged if line.get("trace_id") == HEADER[3:35]]
    spans = {line["event"]: line["span_id"] for line in lines}
    assert (spans["request"], spans["launch completed"]) == (request.span_id.hex(), launch.span_id.hex())
    assert {line["request_id"] for line in lines} == {"r-1"}
    drawn = [one for one in load(tmp_path / "trace.json") if one.get("cat") == "launch"]
    assert [one["args"]["span_id"] for one in drawn] == [launch.span_id.hex()]


def test_a_service_without_metrics_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, config="[observability]\nmetrics_enabled = false\n") as service:
        answer = service.client.get("/metrics")
    assert answer.status_code == 404
    assert "metrics_enabled" in answer.text


def test_what_a_stranger_makes_up_adds_nothing_to_what_is_counted() -> None:
    told = Observability(ProductionConfig())
    assert told.metrics is not None
    observed = Observed(told)
    seen = []
    for method, status in (("BREW", WENT_AWAY), ("WHEN", WENT_AWAY), ("GET", 204)):
        scope = {"type": "http", "method": method, "headers": [], "query_string": b""}
        exchange = Exchange(scope, nothing, Limits(ProductionConfig().service))
        observed.begin(exchange)
        seen.append(told.metrics.requests_in_flight())
        observed.end(exchange, status)
    assert seen == [1, 1, 1]
    assert told.metrics.requests_in_flight() == 0
    counted = dict(told.metrics.requests.by_answer())
    assert counted == {("", "OTHER", "499"): 2, ("", "GET", "204"): 1}, "499: no answer was begun"


async def nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}
