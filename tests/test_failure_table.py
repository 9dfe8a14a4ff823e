"""Every failure of a backend, as a whole program meets it: each span arrived, or is counted."""

from __future__ import annotations

import pytest
from failure_table import CASES, run, table
from faulty_backend import GrpcBackend, HttpBackend


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [GrpcBackend, HttpBackend], ids=["grpc", "http"])
def test_program_ends_well_and_each_span_arrived_or_is_counted(
    case: str, kind: type[GrpcBackend | HttpBackend]
) -> None:
    found = run(case, kind)

    assert found.reports * 25 == found.made
    # A server may take a batch that the client has given up.
    assert found.arrived + found.lost >= found.made
    assert (found.ours == 1) is (found.lost > 0)
    assert case in table([found])
    if case in ("takes everything", "takes 1 s for each request"):
        assert found.lost == 0
