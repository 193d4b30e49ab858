"""Every kind of bad value in a file, with the message that people read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.config import Machine
from rkruntime.config._load import LoadedConfig, combine, examine, load_config
from rkruntime.config._settings import value_at
from rkruntime.config._sources import file_layer
from rkruntime.errors import InvalidConfiguration, InvalidConfigurations, UnreadableInput

COUNT = "allowed: a whole number, at least 1"
FRACTION = "allowed: a fraction above 0 and up to 1, such as 0.8"
SECONDS = 'allowed: a number of seconds or a text such as "30s" or "250ms", more than 0 s'
BYTES = 'allowed: a whole number of bytes or a text such as "512MiB" or "16GiB", at least 1'
BOOLEAN = "allowed: true or false"
TOP = "preset, environment, service_name, service_version, [runtime], [memory], [security], [observability], [service]"
KEY = "allowed: a line that `rustkernel keys create --print-hash` printed"

BAD = [
    ("[runtime]\ngpu_enabled = 'yes'", 'c:2:1: runtime.gpu_enabled = "yes" is not allowed; ' + BOOLEAN),
    ("[runtime]\ngpu_enabled = 1", "c:2:1: runtime.gpu_enabled = 1 is not allowed; " + BOOLEAN),
    ("[runtime]\nworker_threads = 1.5", "c:2:1: runtime.worker_threads = 1.5 is not allowed; " + COUNT),
    ("[runtime]\nworker_threads = 8.0", "c:2:1: runtime.worker_threads = 8.0 is not allowed; " + COUNT),
    ("[runtime]\nworker_threads = true", "c:2:1: runtime.worker_threads = true is not allowed; " + COUNT),
    ("[runtime]\n\n  worker_threads = '8'", 'c:3:3: runtime.worker_threads = "8" is not allowed; ' + COUNT),
    ("[runtime]\nworker_threads = 0", "c:2:1: runtime.worker_threads = 0 is not allowed; " + COUNT),
    ("[runtime]\nworker_threads = [1, 'a']", 'c:2:1: runtime.worker_threads = [1, "a"] is not allowed; ' + COUNT),
    ("runtime.worker_threads = -1", "c:1:1: runtime.worker_threads = -1 is not allowed; " + COUNT),
    ("runtime = { worker_threads = -1 }", "c:1:13: runtime.worker_threads = -1 is not allowed; " + COUNT),
    ("[runtime]\nshutdown_timeout = '-1s'", 'c:2:1: runtime.shutdown_timeout = "-1s" is not allowed; ' + SECONDS),
    ("[runtime]\nshutdown_timeout = -1", "c:2:1: runtime.shutdown_timeout = -1 is not allowed; " + SECONDS),
    ("[runtime]\nshutdown_timeout = nan", "c:2:1: runtime.shutdown_timeout = nan is not allowed; " + SECONDS),
    ("[runtime]\nshutdown_timeout = inf", "c:2:1: runtime.shutdown_timeout = inf is not allowed; " + SECONDS),
    ("[runtime]\nshutdown_timeout = true", "c:2:1: runtime.shutdown_timeout = true is not allowed; " + SECONDS),
    (
        "[runtime]\nshutdown_timeout = 1979-05-27",
        "c:2:1: runtime.shutdown_timeout = 1979-05-27 is not allowed; " + SECONDS,
    ),
    ("[runtime]\nshutdown_timeout_secs = 0", "c:2:1: runtime.shutdown_timeout_secs = 0 is not allowed; " + SECONDS),
    (
        "[runtime]\nshutdown_timeout_secs = '60s'",
        'c:2:1: runtime.shutdown_timeout_secs = "60s" is not allowed; '
        'allowed: a number of seconds; text such as "30s" goes to runtime.shutdown_timeout',
    ),
    (
        "[runtime]\nshutdown_timeout = 1\nshutdown_timeout_secs = 2",
        "c:3:1: runtime.shutdown_timeout_secs is given twice; runtime.shutdown_timeout stands in line 2; keep one",
    ),
    (
        "[runtime]\nlog_level = 'warn'",
        'c:2:1: runtime.log_level = "warn" is not allowed; '
        'allowed: one of debug, info, warning, error; did you mean "warning"?',
    ),
    ("[memory]\npressure_threshold = 85", "c:2:1: memory.pressure_threshold = 85 is not allowed; " + FRACTION),
    ("[memory]\npressure_threshold = nan", "c:2:1: memory.pressure_threshold = nan is not allowed; " + FRACTION),
    (
        "[memory]\npressure_threshold = 0.9",
        "c:2:1: memory.pressure_threshold = 0.9 is not allowed; "
        "allowed: below memory.critical_threshold, which is 0.85",
    ),
    (
        "[memory]\n\ncritical_threshold = 0.6",
        "c:3:1: memory.pressure_threshold = 0.7 is not allowed; allowed: below memory.critical_threshold, which is 0.6",
    ),
    ("[memory]\nmax_gpu_memory = 1.5", "c:2:1: memory.max_gpu_memory = 1.5 is not allowed; " + BYTES),
    ("[memory]\nmax_gpu_memory = '16 gigs'", 'c:2:1: memory.max_gpu_memory = "16 gigs" is not allowed; ' + BYTES),
    ("[memory]\nmax_gpu_memory = '0GiB'", 'c:2:1: memory.max_gpu_memory = "0GiB" is not allowed; ' + BYTES),
    (
        "[runtime]\ngpu_enabled = false\ndevice = 'cuda'",
        'c:3:1: runtime.device = "cuda" is not allowed; '
        "allowed: auto or cpu, since runtime.gpu_enabled is false; or set that to true",
    ),
    (
        "preset = 'prod'",
        'c:1:1: preset = "prod" is not allowed; allowed: one of development, production, high_performance, testing, hp',
    ),
    (
        "[service]\nport = 70000",
        "c:2:1: service.port = 70000 is not allowed; allowed: a whole number from 0 to 65535",
    ),
    (
        "service_name = 'a b'",
        'c:1:1: service_name = "a b" is not allowed; '
        "allowed: letters, digits, dots, dashes and underscores, at most 100",
    ),
    (
        "[security]\nadmin_key_hash = 'hunter2'",
        "c:2:1: security.admin_key_hash = (hidden) is not allowed; "
        "allowed: a line that `rustkernel keys create --print-hash` printed",
    ),
    *(
        (
            f"[runtime]\nsocket_role_map = '{text}'",
            f'c:2:1: runtime.socket_role_map = "{text}" is not allowed; '
            'allowed: users and groups, or their numbers, with roles: "user:ann=admin; group:lab=viewer"',
        )
        for text in ("ann=admin", "user:ann=root", "user:=admin", "group:lab", "users:ann=admin", "user:a b=viewer")
    ),
    ("enviroment = 'x'", "c:1:1: enviroment is no setting; did you mean environment?"),
    ("worker_threads = 8", "c:1:1: worker_threads is no setting; did you mean runtime.worker_threads?"),
    (
        "[runtime]\nwroker_threads = 8",
        "c:2:1: runtime.wroker_threads is no setting; did you mean runtime.worker_threads?",
    ),
    ("[runtime]\nscrub = true", "c:2:1: runtime.scrub is no setting; did you mean memory.scrub?"),
    ("[runtime.memory]\nscrub = true", "c:1:1: runtime.memory is no setting; did you mean the table [memory]?"),
    ("[securty]\nx = 1", "c:1:1: securty is no setting; did you mean the table [security]?"),
    (
        "[quux]\nx = 1",
        "c:1:1: quux is no setting; known here: " + TOP,
    ),
    (
        "[runtime.nested.deep]\nx = 1",
        "c:1:1: runtime.nested is no setting; known here: gpu_enabled, device, max_kernel_instances, worker_threads, "
        "blocking_threads, mailbox_capacity, shutdown_timeout, drain_grace, cleanup_timeout, health_check_interval, "
        "inline_budget, log_level, log_format, socket_role_map, socket_group",
    ),
    ("\n[memory]\n\n[nosuch.deep]", "c:4:1: nosuch is no setting; known here: " + TOP),
    ("\n\n  runtime.worker_threads.x = 1", "c:3:3: runtime.worker_threads = { x = 1 } is not allowed; " + COUNT),
    ("\n[runtime.worker_threads.x]", "c:2:1: runtime.worker_threads = { x = {} } is not allowed; " + COUNT),
    ("runtime.worker_threads.x = 1", "c:1:1: runtime.worker_threads = { x = 1 } is not allowed; " + COUNT),
    ("[runtime]\nworker_threads = { x = 1 }", "c:2:1: runtime.worker_threads = { x = 1 } is not allowed; " + COUNT),
    ("[runtime.worker_threads]\nx = 1", "c:1:1: runtime.worker_threads = { x = 1 } is not allowed; " + COUNT),
    ("'runtime'.\"worker_threads\" = 0", "c:1:1: runtime.worker_threads = 0 is not allowed; " + COUNT),
    (
        "[runtime]\nWorker-Threads = 1",
        "c:2:1: runtime.Worker-Threads is no setting; did you mean runtime.worker_threads?",
    ),
    ("[RUNTIME]\nx = 1", "c:1:1: RUNTIME is no setting; did you mean the table [runtime]?"),
    ("[security]\notlp = 1", "c:2:1: security.otlp is no setting; did you mean observability.otlp_endpoint?"),
    ("[memory]\nscrubbing = 1", "c:2:1: memory.scrubbing is no setting; did you mean memory.scrub?"),
    ("security = 'on'", 'c:1:1: security = "on" is not allowed; allowed: a table, [security]'),
    ("service = [1, 2]", "c:1:1: service = [1, 2] is not allowed; allowed: a table, [service]"),
    ("[[security]]\nadmin_key_hash = 'x'", "c:1:1: security is an array of tables; allowed: a table, [security]"),
    ("security.admin_key_hash.x = 'hunter2'", "c:1:1: security.admin_key_hash = (hidden) is not allowed; " + KEY),
    ("[memory]\nscrub = 'true'", 'c:2:1: memory.scrub = "true" is not allowed; ' + BOOLEAN),
    ("[memory]\nscrub = 0", "c:2:1: memory.scrub = 0 is not allowed; " + BOOLEAN),
    ("[memory]\nmax_gpu_memory = 0", "c:2:1: memory.max_gpu_memory = 0 is not allowed; " + BYTES),
    ("[memory]\nmax_gpu_memory = -1", "c:2:1: memory.max_gpu_memory = -1 is not allowed; " + BYTES),
    ("[memory]\nmax_gpu_memory = true", "c:2:1: memory.max_gpu_memory = true is not allowed; " + BYTES),
    ("[memory]\nmax_gpu_memory = '1.5'", 'c:2:1: memory.max_gpu_memory = "1.5" is not allowed; ' + BYTES),
    ("[memory]\nmax_gpu_memory = inf", "c:2:1: memory.max_gpu_memory = inf is not allowed; " + BYTES),
    ("[memory]\npressure_threshold = '80%'", 'c:2:1: memory.pressure_threshold = "80%" is not allowed; ' + FRACTION),
    ("[memory]\npressure_threshold = 0", "c:2:1: memory.pressure_threshold = 0 is not allowed; " + FRACTION),
    ("[memory]\npressure_threshold = true", "c:2:1: memory.pressure_threshold = true is not allowed; " + FRACTION),
    (
        "[memory]\nhysteresis = 0.7",
        "c:2:1: memory.hysteresis = 0.7 is not allowed; allowed: below memory.pressure_threshold, which is 0.7",
    ),
    (
        "[observability]\ntrace_sample_ratio = -0.5",
        "c:2:1: observability.trace_sample_ratio = -0.5 is not allowed; allowed: a fraction from 0 to 1, such as 0.1",
    ),
    ("[service]\nport = -1", "c:2:1: service.port = -1 is not allowed; allowed: a whole number from 0 to 65535"),
    ("[service]\nhost = ''", 'c:2:1: service.host = "" is not allowed; allowed: one line of text, not empty'),
    ("[service]\nhost = 8", "c:2:1: service.host = 8 is not allowed; allowed: one line of text, not empty"),
    (
        '[service]\nhost = """a\nb"""',
        'c:2:1: service.host = "a\\u000ab" is not allowed; allowed: one line of text, not empty',
    ),
    (
        "[observability]\notlp_endpoint = 'localhost'",
        'c:2:1: observability.otlp_endpoint = "localhost" is not allowed; '
        'allowed: a URL such as "http://localhost:4318"',
    ),
    (
        "[runtime]\nlog_level = 'INFO'",
        'c:2:1: runtime.log_level = "INFO" is not allowed; '
        'allowed: one of debug, info, warning, error; did you mean "info"?',
    ),
    (
        "[runtime]\nlog_level = '" + "x" * 500 + "'",
        'c:2:1: runtime.log_level = "' + "x" * 119 + "... is not allowed; allowed: one of debug, info, warning, error",
    ),
    ("[runtime]\nlog_level = 'info'\nlog_level = 'info'", "c:3:19: the key that ends here is given twice; keep one"),
    ("[memory]\n[runtime]\n[memory]", "c:3:8: the table [memory] is given twice; keep one"),
    ("memory = {}\n[memory]", "c:2:8: the table [memory] is given twice; keep one"),
    (
        "[runtime]\nworker_threads = ",
        "c:2:18: this is no TOML: Invalid value; "
        "TOML is lines of `key = value` under headers such as [runtime], with text in double quotes",
    ),
    ("memory = 3", "c:1:1: memory = 3 is not allowed; allowed: a table, [memory]"),
    ("[[memory]]\nscrub = true", "c:1:1: memory is an array of tables; allowed: a table, [memory]"),
]


def load_text(text: str) -> LoadedConfig:
    return combine([file_layer(text.encode(), "c")])


@pytest.mark.parametrize(("text", "message"), BAD, ids=[text.replace("\n", " ") for text, _ in BAD])
def test_a_bad_value_is_told_with_place_value_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InvalidConfigurations) as caught:
        load_text(text)
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_every_problem_is_told_in_one_go_in_the_order_of_the_file() -> None:
    texts = ["[runtime]", "gpu_enabled = 'yes'", "worker_threads = 0", "[nosuch]", "[memory]", "scrub = 1", "x = 1"]
    with pytest.raises(InvalidConfiguration) as caught:
        load_text("\n".join(texts))
    assert isinstance(caught.value, InvalidConfigurations)
    assert [problem.where for problem in caught.value.problems] == ["c:2:1", "c:3:1", "c:4:1", "c:6:1", "c:7:1"]
    assert (caught.value.path, caught.value.value) == ("runtime.gpu_enabled", "yes")
    assert str(caught.value).count("\n") == 5


def test_what_does_not_fit_is_told_beside_what_is_wrong_by_itself() -> None:
    texts = [
        "[memory]",
        "pressure_threshold = 0.9",
        "critical_threshold = 0.8",
        "emergency_threshold = 0.7",
        "hysteresis = 0.95",
        "max_staging_memory = '9000TiB'",
        "scrub = 1",
        "[runtime]",
        "worker_threads = 'all'",
        "[security]",
        "tls_key = 'k'",
    ]
    examined = examine([file_layer("\n".join(texts).encode(), "c")], Machine(cores=1, memory_bytes=2**30))
    assert [(problem.where, problem.path) for problem in examined.errors] == [
        ("c:2:1", "memory.pressure_threshold"),
        ("c:3:1", "memory.critical_threshold"),
        ("c:5:1", "memory.hysteresis"),
        ("c:6:1", "memory.max_staging_memory"),
        ("c:7:1", "memory.scrub"),
        ("c:9:1", "runtime.worker_threads"),
        ("c:11:1", "security.tls_key"),
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("[memory]\ncritical_threshold = 'x'\npressure_threshold = 0.9", ["memory.critical_threshold"]),
        ("[security]\ntls_key = 3\ntls_certificate = 'c'", ["security.tls_key"]),
        ("[runtime]\ngpu_enabled = 'no'\ndevice = 'cuda'", ["runtime.gpu_enabled"]),
    ],
)
def test_nothing_is_told_that_follows_from_a_wrong_value_alone(text: str, paths: list[str]) -> None:
    examined = examine([file_layer(text.encode(), "c")], Machine(cores=1, memory_bytes=2**60))
    assert [problem.path for problem in examined.errors] == paths


def test_what_is_no_toml_is_told_with_its_place() -> None:
    with pytest.raises(InvalidConfigurations) as caught:
        load_text("[runtime]\nworker_threads = = 3\n")
    assert caught.value.problems[0].where == "c:2:18"
    with pytest.raises(InvalidConfigurations) as caught:
        combine([file_layer(b"[runtime]\n# \xff", "c")])
    assert caught.value.problems[0].where == "c:2:3"


@pytest.mark.parametrize(
    "text",
    [
        "[runtime]\nworker_threads = " + "9" * 5000,
        "[runtime]\nshutdown_timeout = " + "9" * 400,
        "x = " + "[" * 5000,
        "\0",
        "a",
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigurations):
        load_text(text)


@given(st.binary(max_size=60) | st.text("[]{}=.,\"'#\n abrx1\\").map(str.encode))
def test_any_bytes_load_or_are_refused(data: bytes) -> None:
    try:
        combine([file_layer(data, "c")])
    except InvalidConfigurations as error:
        assert error.problems  # noqa: PT017  # either end is fine


@pytest.mark.parametrize("spell", [str, Path])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, spell: Callable[[Path], object]) -> None:
    with pytest.raises(UnreadableInput) as caught:
        load_config(spell(tmp_path / "no.toml"), environ={})
    assert caught.value.path == str(tmp_path / "no.toml")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("[runtime]\nshutdown_timeout = '1.5h'", "runtime.shutdown_timeout", 5400),
        ("[runtime]\nshutdown_timeout = 60", "runtime.shutdown_timeout", 60),
        ("[runtime]\nshutdown_timeout = 0.25", "runtime.shutdown_timeout", 0.25),
        ("[runtime]\ndrain_grace_secs = 2", "runtime.drain_grace", 2),
        ("[memory]\nmax_gpu_memory = '16GiB'", "memory.max_gpu_memory", 2**34),
        ("[memory]\nmax_gpu_memory = 17_179_869_184", "memory.max_gpu_memory", 2**34),
        ("[observability]\ntrace_sample_ratio = 0", "observability.trace_sample_ratio", 0.0),
        ("preset = 'hp'", "preset", "high_performance"),
        ("\ufeffenvironment = 'staging'", "environment", "staging"),
    ],
)
def test_values_as_people_write_them(text: str, path: str, value: object) -> None:
    assert value_at(load_text(text).config, path) == value
