"""How much of the code stands there twice: windows of eight lines that occur more than once."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

import otel_agentprof

PACKAGE = Path(otel_agentprof.__file__).parent
WINDOW = 8


def _repeated_share(folder: Path) -> tuple[float, list[str]]:
    """Return the share of lines that lie in a repeated window, and where the windows are."""
    places: defaultdict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    count = 0
    for path in sorted(folder.rglob("*.py")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if line and not line.startswith(("#", "from ", "import "))]
        count += len(lines)
        for start in range(len(lines) - WINDOW + 1):
            places[tuple(lines[start : start + WINDOW])].append((path, start))
    shared = [where for where in places.values() if len(where) > 1]
    repeated = {(path, start + n) for where in shared for path, start in where for n in range(WINDOW)}
    told = [" = ".join(f"{path.relative_to(folder)}:{start}" for path, start in where) for where in shared]
    return len(repeated) / max(count, 1), told


@pytest.mark.parametrize(
    "room",
    [
        "",
        "instrumentation/providers",
        "instrumentation/toolkits",
        "instrumentation/frameworks",
        "analysis/rules",
        "report",
    ],
)
def test_less_than_five_percent_of_a_room_stands_there_twice(room: str) -> None:
    share, places = _repeated_share(PACKAGE / room)

    assert share < 0.05, f"{share:.1%}: {places}"
