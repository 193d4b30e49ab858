import runpy
from pathlib import Path

from rkruntime.config import settings

ROOT = Path(__file__).parents[2]


def test_the_page_is_written_from_the_fields() -> None:
    write = runpy.run_path(str(ROOT / "docs" / "write_configuration.py"))
    page = write["PAGE"].read_text()
    assert write["drawn"](page) == page, "run python docs/write_configuration.py"
    for setting in settings():
        assert f"| `{setting.name}` | " in page
        assert f"`{setting.variable}`" in page
