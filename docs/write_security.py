"""Write the table of endpoints in docs/security.md from the routes: `python docs/write_security.py`."""

from pathlib import Path

from rkruntime.service import ROUTES

PAGE = Path(__file__).parent / "security.md"
BEGIN, END = "<!-- endpoints.begin -->\n", "<!-- endpoints.end -->"


def endpoints_table() -> str:
    """Write which permission each endpoint takes."""
    needed = {route: f"`{route.permission}`" if route.permission else "none" for route in ROUTES}
    rows = [f"| `{route.method} {route.path}` | {permission} |" for route, permission in needed.items()]
    return "\n".join(["| endpoint | permission |", "|---|---|", *rows, ""])


def written(page: str) -> str:
    """Return the page with the table as it is to be."""
    before, begin, rest = page.partition(BEGIN)
    return before + begin + endpoints_table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
