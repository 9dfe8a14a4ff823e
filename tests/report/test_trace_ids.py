"""Trace ids as people see them, and type them in again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agentprof.report.trace_ids import digits_needed, found_by, significant

ZEROS = "0" * 16


@pytest.mark.parametrize(
    ("trace_ids", "shown"),
    [
        ([], []),
        (["1234567890" + "f" * 22], ["12345678"]),
        (["12345678" + "9" * 24] * 2, ["12345678"] * 2),
        (["6753a5f09" + "c" * 23, "6753a5f0b" + "d" * 23, "7" * 32], ["6753a5f09", "6753a5f0b", "777777777"]),
        ([f"{ZEROS}7d3f000000000001", f"{ZEROS}8d3f000000000001"], ["7d3f0000", "8d3f0000"]),
        ([f"{1:032x}", f"{2:032x}"], [f"{1:016x}", f"{2:016x}"]),
    ],
)
def test_as_many_digits_are_shown_as_tell_all_apart(trace_ids: list[str], shown: list[str]) -> None:
    digits = digits_needed(trace_ids)

    assert [significant(trace_id)[:digits] for trace_id in trace_ids] == shown


HEX = st.text("0123456789abcdef", min_size=16, max_size=16)
IDS = st.lists(
    st.one_of(
        st.builds("{}{}".format, HEX, HEX),
        st.builds("{}{}".format, st.sampled_from([ZEROS, "6753a5f09c1e0000"]), HEX),
        st.integers(1, 300).map("{:032x}".format),
    ),
    unique=True,
    max_size=20,
)


@given(IDS)
def test_what_is_shown_finds_its_trace_and_no_other(trace_ids: list[str]) -> None:
    digits = digits_needed(trace_ids)

    for trace_id in trace_ids:
        assert found_by(trace_ids, significant(trace_id)[:digits]) == [trace_id]
        assert found_by(trace_ids, f" {trace_id.upper()} ") == [trace_id]


def test_an_id_is_also_found_with_its_zeros_and_without_all_of_them() -> None:
    trace_ids = [f"{ZEROS}00ab000000000001", "12" * 16]

    assert found_by(trace_ids, f"{ZEROS}00ab") == [trace_ids[0]]
    assert found_by(trace_ids, "ab000000000001") == [trace_ids[0]]
    assert found_by(trace_ids, "3") == []
