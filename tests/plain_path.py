"""The critical path once more, written down as plainly as its definition, to compare with.

A transcription of critical_path.md section C1 over dicts: no indices, no shortcuts, a climb parent by parent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.model import Span

Node = dict[str, Any]
Piece = tuple[str | None, int, int]
TOLERANCE_NS = 1_000_000


def plain_path(spans: Iterable[Span]) -> list[Piece]:
    """Return (span id, start, end) in time order, for spans of one trace."""
    nodes = _normalised(spans)
    root = _rooted(nodes)
    if root is None:
        return []
    _open_windows(root, nodes)
    return _walked(root, nodes)


def _normalised(spans: Iterable[Span]) -> list[Node]:
    nodes: dict[str, Node] = {}
    for span in spans:
        if span.span_id not in nodes:
            nodes[span.span_id] = {
                "id": span.span_id,
                "order": len(nodes),
                "up": span.parent_span_id,
                "start": span.start_ns,
                "end": span.end_ns,
                "kind": span.kind,
                "status": span.status,
                "parent": None,
                "children": [],
                "background": False,
                "detached": False,
            }
    known = [time for node in nodes.values() for time in (node["start"], node["end"]) if time is not None]
    for node in nodes.values():
        if node["end"] is None:
            node["end"] = max(node["start"], *known)
        node["end"] = max(node["start"], node["end"])
        node["parent"] = nodes.get(node["up"]) if node["up"] != node["id"] else None
    for node in nodes.values():
        _cut_above(node)
    return list(nodes.values())


def _cut_above(node: Node | None) -> None:
    walk: list[Node] = []
    while node is not None and not node.get("safe"):
        if node.get("walk") is walk:
            first = next(i for i, other in enumerate(walk) if other is node)
            min(walk[first:], key=lambda n: (n["start"], n["order"]))["parent"] = None
            break
        node["walk"] = walk
        walk.append(node)
        node = node["parent"]
    for other in walk:
        other["safe"] = True


def _rooted(nodes: list[Node]) -> Node | None:
    candidates = [node for node in nodes if node["parent"] is None]
    parentless = [node for node in candidates if not node["up"]]
    if len(parentless) == 1:
        root = parentless[0]
        for node in candidates:
            if node is not root and root["start"] <= node["start"] < root["end"]:
                node["parent"] = root
            elif node is not root:
                node["detached"] = True
        return root
    if len(candidates) <= 1:
        return candidates[0] if candidates else None
    root = {
        "id": None,
        "order": -1,
        "start": min(node["start"] for node in candidates),
        "end": max(node["end"] for node in candidates),
        "kind": "INTERNAL",
        "status": "UNSET",
        "parent": None,
        "children": [],
        "background": False,
        "detached": False,
    }
    for node in candidates:
        node["parent"] = root
    return root


def _open_windows(root: Node, nodes: list[Node]) -> None:
    for node in nodes:
        if node["parent"] is not None:
            node["parent"]["children"].append(node)
    root["window"], root["waiter"], root["hoisted"] = (root["start"], root["end"]), None, False
    todo = list(root["children"])
    while todo:
        node = todo.pop()
        _open_window(node, node["parent"])
        todo.extend(node["children"])


def _open_window(node: Node, parent: Node) -> None:
    start, end = node["start"], node["end"]
    if parent["detached"] or (parent["kind"] == "PRODUCER" and node["kind"] == "CONSUMER"):
        node["detached"] = True
        return
    above: Node | None = parent
    first, last = parent["window"]
    if end > last + TOLERANCE_NS or (end <= first and start < first):
        while above is not None and not (
            end <= above["window"][1] + TOLERANCE_NS and end > above["window"][0]
        ):
            above = None if above["background"] else above["waiter"]
    if above is None:
        if not (parent["status"] == "ERROR" and start < last and end > first):
            node["detached"] = True
            return
        above, node["background"] = parent, True
    first, last = above["window"]
    node["window"] = (min(max(start, first), last), min(end, last))
    node["waiter"], node["hoisted"] = above, above is not parent


def _walked(root: Node, nodes: list[Node]) -> list[Piece]:
    for node in (root, *nodes):
        node["waiting"] = []
    for node in sorted(nodes, key=lambda n: (n.get("window", (0, 0))[1], -n["start"], -n["order"])):
        if node.get("waiter") is not None:  # the root has none, nor has what is detached
            node["waiter"]["waiting"].append(node)
    pieces: list[Piece] = []
    stack: list[list[Any]] = [[root, root["end"]]]
    while stack:
        span, until = stack[-1]
        while span["waiting"] and span["waiting"][-1]["window"][1] > until:
            span["waiting"].pop()
        if not span["waiting"]:
            _emit(pieces, span, span["window"][0], until)
            stack.pop()
            continue
        child = span["waiting"].pop()
        start, end = child["window"]
        _emit(pieces, span, end, until)
        creator = child["parent"]
        chain: list[list[Any]] = []
        if child["hoisted"] and creator["window"][0] <= start <= creator["window"][1]:
            while creator is not span:
                chain.append([creator, start])
                start, creator = creator["window"][0], creator["waiter"]
        stack[-1][1] = start
        stack.extend(reversed(chain))
        stack.append([child, end])
    return pieces[::-1]


def _emit(pieces: list[Piece], span: Node, start: int, end: int) -> None:
    if start >= end:
        return
    if pieces and pieces[-1][0] == span["id"]:
        pieces[-1] = (span["id"], start, pieces[-1][2])
    else:
        pieces.append((span["id"], start, end))
