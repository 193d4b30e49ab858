"""One service for all tests that leave it as it was."""

from collections.abc import Iterator

import pytest
from service_process import ServiceProcess, serving


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running
