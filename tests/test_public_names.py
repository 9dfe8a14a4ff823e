"""The public names: sorted, importable, and cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import otel_agentprof


def test_all_is_sorted_and_complete() -> None:
    assert otel_agentprof.__all__ == sorted(otel_agentprof.__all__)
    assert set(otel_agentprof.__all__) <= set(dir(otel_agentprof))


@pytest.mark.parametrize("name", otel_agentprof.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(getattr(otel_agentprof, name), "__doc__", None)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = otel_agentprof.no_such_name


def test_importing_the_package_loads_no_room() -> None:
    code = "import sys, otel_agentprof; print([m for m in sys.modules if m.startswith('otel_agentprof.')])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
