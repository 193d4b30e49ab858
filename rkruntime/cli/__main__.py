"""The `rustkernel` command's entry: status is answered at once, all else goes to click."""

from __future__ import annotations

import sys

__all__ = ("main",)

PROGRAM = "rustkernel"


def main() -> None:
    """Run the command line."""
    if sys.argv[1:3] == ["runtime", "status"]:
        from rkruntime.cli._status import answer_at_once

        status = answer_at_once(sys.argv[3:])
        if status is not None:
            sys.exit(status)
    from rkruntime.cli._group import cli

    sys.exit(cli(prog_name=PROGRAM))


if __name__ == "__main__":
    main()
