"""Fenced blocks of the documents, as tests take them."""

import re
from pathlib import Path

import attrs

REPOSITORY = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class DocBlock:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[DocBlock]:
    """Find all blocks of `language` in the README, the guide and the page of the configuration."""
    docs = REPOSITORY / "docs"
    pages = [REPOSITORY / "README.md", docs / "configuration.md", *sorted((docs / "guide").glob("*.md"))]
    found = []
    for page in pages:
        text = page.read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(DocBlock(str(page.relative_to(REPOSITORY)), line, match[1], match[2]))
    return [block for block in found if block.language == language]
