"""A folder of kernels, and of files that are none."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import KERNELS, warm_command


@pytest.fixture(scope="session", autouse=True)
def _own_sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the sockets of what is started here apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("sockets")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_command_ends() -> Iterator[None]:
    yield
    if warm_command.cache_info().currsize:
        warm_command().close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    (made / "mine.py").write_text(KERNELS)
    (made / "broken.py").write_text("def (:\n")
    (made / "empty.py").write_text("x = 1\n")
    (made / "notes.txt").write_text("hello\n")
    np.save(made / "long.npy", np.arange(16, dtype=np.float32))
    np.save(made / "text.npy", np.array(["a", "b"]))
    np.save(made / "big.npy", np.zeros(4, ">f4"))
    return made
