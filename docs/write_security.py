"""Write the tables of endpoints and of socket commands in docs/security.md: `python docs/write_security.py`."""

from pathlib import Path

from rkruntime.runtime._askers import PERMISSIONS
from rkruntime.service import ROUTES

PAGE = Path(__file__).parent / "security.md"


def endpoints_table() -> str:
    """Write which permission each endpoint takes."""
    needed = {route: f"`{route.permission}`" if route.permission else "none" for route in ROUTES}
    rows = [f"| `{route.method} {route.path}` | {permission} |" for route, permission in needed.items()]
    return "\n".join(["| endpoint | permission |", "|---|---|", *rows, ""])


def commands_table() -> str:
    """Write which permission each request over the control socket takes."""
    rows = [f"| `rustkernel runtime {request}` | `{needed}` |" for request, needed in PERMISSIONS.items()]
    return "\n".join(["| command | permission |", "|---|---|", *rows, ""])


def written(page: str) -> str:
    """Return the page with its tables as they are to be."""
    for name, table in (("endpoints", endpoints_table()), ("commands", commands_table())):
        before, begin, rest = page.partition(f"<!-- {name}.begin -->\n")
        end = f"<!-- {name}.end -->"
        page = before + begin + table + end + rest.partition(end)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
