"""Not run: mypy reads it, and `test_config_builders.py` reads what mypy says."""

from typing import assert_type

import attrs

from rkruntime.config import Duration, ProductionConfig, ProductionConfigBuilder, RuntimeConfig


def right() -> None:
    builder = (
        ProductionConfigBuilder.production().service_name("a").runtime(lambda r: r.shutdown_timeout(60).device("cpu"))
    )
    assert_type(builder, ProductionConfigBuilder)
    assert_type(builder.build(), ProductionConfig)
    assert_type(RuntimeConfig(shutdown_timeout=60).shutdown_timeout, Duration)
    attrs.evolve(RuntimeConfig(), shutdown_timeout=60.0)


def wrong() -> None:
    ProductionConfigBuilder().service_name(3)
    ProductionConfigBuilder().runtime(lambda r: r.no_such_setting(3))
    ProductionConfigBuilder().memory(lambda m: m.scrub("yes"))
    RuntimeConfig(shutdown_timeout="soon")
