"""The same span in two runs: its names from the root, and the how-manieth of that path it is.

    researcher > step 3 > search     ->   (agent researcher, step "step #", tool search), 1st
    researcher > step 7 > search     ->   the same path, 2nd

Numbers, run ids and uuids in names would make every run look different, so they are left out of the key.
Names of models keep their numbers: gpt-4 and gpt-5 are two things.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.report import headline, text
from otel_agentprof.semconv import LEAF_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.report.report import Report, Row

_ID: Final = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # a uuid
    r"|\b(?=[a-f]*\d)[0-9a-f]{12,}\b"  # a trace id, a hash
    r"|\b(?:call|chatcmpl|job|msg|req|resp|run|session|task|thread|toolu)[-_](?=(?:[a-z]*\d){2})[a-z0-9]{8,}\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    r"(?<![\w.,-])\d+(?![\w-]|[.,]\d)|(?<=[A-Za-z][_-])\d+$"
)  # step 3, item (2), node_7


class Key(NamedTuple):
    """A span that can be found again in another run; the path holds (role, name) from below the root on."""

    path: tuple[tuple[str, str], ...]
    occurrence: int

    @property
    def words(self) -> str:
        """The names on the way to the span, the root left out unless it is the root."""
        names = " > ".join(text.short_name(name) for _, name in self.path) or "(root)"
        return f"{names} #{self.occurrence}" if self.occurrence > 1 else names


def keyed(report: Report) -> Iterator[tuple[Key, Row]]:
    """Yield the spans of a report with their keys, in the order of the waterfall."""
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    paths: list[tuple[tuple[str, str], ...]] = []
    for row in report.waterfall:
        del paths[row.depth :]
        is_root = not row.depth and row.span_id == report.root_span_id
        above = paths[-1] if paths else ()
        path = () if is_root else (*above, (row.role, steady_name(row.operation or row.name, row.role)))
        paths.append(path)
        seen[path] += 1
        yield Key(path, seen[path]), row


def run_name(report: Report) -> str:
    """Return the name by which a run is one of its kind: the root's, steady."""
    return steady_name(headline.title(report), "")


@lru_cache(maxsize=8_192)
def steady_name(name: str, role: str) -> str:
    """Return a name without what differs from run to run."""
    steady = _ID.sub("{id}", name)
    return steady if role in LEAF_ROLES else _NUMBER.sub("#", steady)
