"""Draw the lifecycle from its table into docs/design/overview.md: `python docs/draw_lifecycle.py`."""

from pathlib import Path

from rkruntime.runtime._lifecycle import MOVES, is_final, is_live, is_ready

PAGE = Path(__file__).parent / "design" / "overview.md"
BEGIN, END = "<!-- lifecycle.begin -->", "<!-- lifecycle.end -->"


def diagram() -> str:
    """Write the table as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> created"]
    for state, nexts in MOVES.items():
        lines += [f"    {state.value} --> {after.value}" for after in nexts]
        if is_final(state):
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```"])


def probes() -> str:
    """Write what the probes see in each state as a table."""
    rows = ["| state | live | ready |", "|---|---|---|"]
    rows += [f"| {s.value} | {'yes' if is_live(s) else 'no'} | {'yes' if is_ready(s) else 'no'} |" for s in MOVES]
    return "\n".join(rows)


def drawn(page: str) -> str:
    """Return `page` with what stands between the markers drawn anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{diagram()}\n\n{probes()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
