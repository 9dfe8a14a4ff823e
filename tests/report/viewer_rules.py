"""What Perfetto and speedscope ask of the files that they open, from their sources: checked here."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

_UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
_DEEPEST = 255

Event = dict[str, Any]


def trace_events(written: str) -> list[Event]:
    """Return the events of a file for Perfetto, which keeps all rules; times as decimals, exact."""
    file = json.loads(written, parse_float=Decimal, parse_constant=_refuse)
    assert file["displayTimeUnit"] == "ms"
    events: list[Event] = file["traceEvents"]
    by_thread: defaultdict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        assert event["pid"] > 0
        assert event["tid"] > 0
        assert event["ph"] in {"M", "X", "s", "f"}
        if event["ph"] == "M":
            assert event["args"]
            continue
        assert event["ts"] >= 0
        by_thread[event["pid"], event["tid"]].append(event)
    owners = {tid: pid for pid, tid in by_thread}
    assert len(owners) == len(by_thread), "Perfetto looks up a thread by its number alone"
    assert all(tid == pid for tid, pid in owners.items() if tid in owners.values()), "a pid is a main thread"
    for found in by_thread.values():
        _nested([event for event in found if event["ph"] == "X"])
        _tied(found)
    return events


def _nested(slices: list[Event]) -> None:
    opened: list[Decimal] = []
    for event in sorted(slices, key=lambda event: event["ts"]):  # stable, as Perfetto sorts
        start, end = event["ts"], event["ts"] + event["dur"]
        assert event["dur"] >= 0
        assert event["name"]
        while opened and opened[-1] <= start:
            opened.pop()
        assert not opened or end <= opened[-1], "two slices of one thread overlap"
        opened.append(end)
        assert len(opened) <= _DEEPEST


def _tied(events: list[Event]) -> None:
    """Check that each arrow leads from one slice to the next one: Perfetto ties it to what opened last."""
    tails: dict[str, int] = {}
    slice_number = -1
    for event in sorted(events, key=lambda event: event["ts"]):
        if event["ph"] == "X":
            slice_number += 1
        elif event["ph"] == "s":
            assert event["id"] not in tails
            assert int(event["id"], 16) < 2**64
            tails[event["id"]] = slice_number
        else:
            assert event["bp"] == "e"
            assert tails.pop(event["id"]) == slice_number - 1
    assert not tails


def profiles(written: str) -> list[dict[str, Any]]:
    """Return the profiles of a file for speedscope, which keeps all rules."""
    file = json.loads(written, parse_constant=_refuse)
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = file["shared"]["frames"]
    names = [frame["name"] for frame in frames]
    assert all(names)
    assert len(set(names)) == len(names)
    found: list[dict[str, Any]] = file["profiles"]
    assert 0 <= file["activeProfileIndex"] < max(len(found), 1)
    for profile in found:
        assert profile["unit"] in _UNITS
        assert profile["name"]
        assert profile["startValue"] <= profile["endValue"]
        (_check_samples if profile["type"] == "sampled" else _check_events)(profile, len(frames))
    return found


def _check_samples(profile: dict[str, Any], frames: int) -> None:
    assert len(profile["samples"]) == len(profile["weights"])
    assert all(weight > 0 for weight in profile["weights"])
    assert all(stack and all(0 <= frame < frames for frame in stack) for stack in profile["samples"])
    assert abs(sum(profile["weights"]) - profile["endValue"]) < 1e-3 * max(1, profile["endValue"])


def _check_events(profile: dict[str, Any], frames: int) -> None:
    assert profile["type"] == "evented"
    opened: list[int] = []
    now = profile["startValue"]
    for event in profile["events"]:
        assert now <= event["at"] <= profile["endValue"]
        now = event["at"]
        assert 0 <= event["frame"] < frames
        if event["type"] == "O":
            opened.append(event["frame"])
        else:
            assert event["type"] == "C"
            assert opened.pop() == event["frame"]
    assert not opened


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
