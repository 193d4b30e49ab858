"""Every example of the README and the guide runs."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import REPOSITORY, DocBlock, blocks

pytestmark = pytest.mark.usefixtures("untraced")

LIMIT_S = 120  # against hanging; nothing is measured
COMMAND = str(Path(sys.executable).with_name("rustkernel"))


def test_the_examples_are_found() -> None:
    assert len([block for block in blocks("python") if block.page == "README.md"]) >= 3
    assert [block for block in blocks("console") if block.page == "README.md"]
    known = {"python", "console", "bash", "toml", "text", "mermaid"}
    for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs" / "guide").glob("*.md")):
        assert set(re.findall(r"^```(\w+)$", page.read_text(), re.MULTILINE)) <= known, page


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_example_runs(block: DocBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = tmp_path / "example.py"
    example.write_text("\n" * (block.line - 1) + block.text)  # so that a traceback names the document's line
    if "rkruntime.dropin" in block.text:  # it changes numba for the whole process
        subprocess.run([sys.executable, str(example)], check=True, timeout=LIMIT_S)
    else:
        runpy.run_path(str(example), run_name="__main__")


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_console_example_runs(block: DocBlock, tmp_path: Path) -> None:
    (tmp_path / "kernels").symlink_to(REPOSITORY / "kernels")
    lines = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    assert lines
    for line in lines:
        program, *arguments = line.split()
        assert program == "rustkernel", line
        done = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
