import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled kernels of the tests away from the user's."""
    before = os.environ.get("RKRUNTIME_CACHE_DIR")
    os.environ["RKRUNTIME_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["RKRUNTIME_CACHE_DIR"]
    else:
        os.environ["RKRUNTIME_CACHE_DIR"] = before
