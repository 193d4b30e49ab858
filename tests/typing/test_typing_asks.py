import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).with_name("typed_asks.py")


def test_an_ask_is_typed_by_its_method() -> None:
    """The three calls in `wrong` are refused, and nothing else is."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file=", str(SAMPLE)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout
    errors = [line for line in said.splitlines() if SAMPLE.name in line and "error:" in line]
    first = SAMPLE.read_text().splitlines().index("async def wrong(heat: Ref[Heat]) -> None:") + 2
    assert {int(line.split(":")[1]) for line in errors} == {first, first + 1, first + 2}, said
