"""What the base install brings: a machine needs nothing of CUDA's, no driver and no toolkit."""

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cuda.pathfinder import load_nvidia_dynamic_lib


def base_install() -> list[Distribution]:
    wanted = [text for text in distribution("rkruntime").requires or [] if "extra ==" not in text]
    names = [matched[0] for text in wanted if (matched := re.match(r"[\w.-]+", text))]
    assert "numba-cuda" in names
    return [distribution(name) for name in names]


def test_the_library_that_numba_cuda_loads_as_it_is_imported_comes_with_the_base_install() -> None:
    loaded = Path(load_nvidia_dynamic_lib("cudart").abs_path).resolve()
    brought = {Path(str(each.locate_file(file))).resolve() for each in base_install() for file in each.files or []}
    assert loaded in brought
