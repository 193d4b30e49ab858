"""The pages agree with the tables that they show, and their links lead somewhere."""

import re
import runpy
from pathlib import Path

import pytest
from doc_blocks import FENCE, REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def test_the_lifecycle_is_drawn_from_its_table() -> None:
    draw = runpy.run_path(str(REPOSITORY / "docs" / "draw_lifecycle.py"))
    page = draw["PAGE"].read_text()
    assert draw["drawn"](page) == page, "run python docs/draw_lifecycle.py"
    assert "running --> draining" in draw["diagram"]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    prose = FENCE.sub("", page.read_text())  # a launch, kernel[grid, block](x), looks like a link
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_pages_exist(page: Path) -> None:
    for target in re.findall(r"`((?:rkruntime|kernels|tests|docs|bench)/[\w./-]+\.\w+)`", page.read_text()):
        assert (REPOSITORY / target).exists(), target


def test_fragments_are_named_as_the_rules_say() -> None:
    for fragment in (REPOSITORY / "docs" / "changes").iterdir():
        if fragment.name != "README.md":
            assert re.fullmatch(r"\d+(\.[\w-]+)?\.(feature|bugfix|deprecation|removal|doc)\.md", fragment.name)
            assert fragment.read_text().strip()
