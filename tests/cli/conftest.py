"""A folder of kernels, and of files that are none."""

from pathlib import Path

import numpy as np
import pytest
from command_line import KERNELS


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
