"""Libraries by name: other people's, broken ones, too old ones; none stops another."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import otel_agentprof
from otel_agentprof.instrumentation import libraries, versions
from otel_agentprof.instrumentation.framework import FrameworkSpec
from otel_agentprof.instrumentation.libraries import Library
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Spans

HERE = Path(__file__).parent
CONTRIBUTING = (HERE.parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"^```python\n(.*?)^```$", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL)[0]
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def _install(folder: Path, *, entry: str, code: str) -> dict[str, str]:
    """Lay out two installed packages, the client and what it is told by; return the environment to run in."""
    for name, more in (("acme_llm", ""), ("acme_agentprof", entry)):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA.format(name=name.replace("_", "-")))
        if more:
            (info / "entry_points.txt").write_text(f"[otel_agentprof.providers]\n{more}\n")
    (folder / "acme_llm.py").write_text((HERE / "third_party" / "acme_llm.py").read_text())
    (folder / "acme_agentprof.py").write_text(code)
    paths = [str(folder), str(HERE.parent.parent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", "COLUMNS": "200"}


def _only(*names: str) -> dict[str, str]:
    """Return the setting that leaves all libraries out but these: to import them all takes seconds."""
    others = [f"agentprof_{name}" for name in libraries.known() if name not in names]
    return {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(others)}


def _run(*command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False)


def test_the_example_of_contributing_is_short_and_works(tmp_path: Path) -> None:
    env = _install(tmp_path, entry="acme = acme_agentprof:SPEC", code=EXAMPLE)

    done = _run(str(HERE / "third_party" / "program.py"), env=env)

    assert len(EXAMPLE.splitlines()) < 40
    assert done.returncode == 0, done.stderr
    spans: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(spans) == 4
    for facts in spans:
        assert facts["gen_ai.provider.name"] == "acme"
        assert facts["gen_ai.response.id"] == "acme-1"
        assert facts["gen_ai.usage.input_tokens"] == 1200
        assert facts["gen_ai.usage.output_tokens"] == 85
        assert facts["gen_ai.usage.cache_read.input_tokens"] == 1024
        assert facts["gen_ai.request.temperature"] == 0.5
        assert facts["server.address"] == "api.acme.example"
        assert facts["agentprof.request.fingerprint"]
    assert [facts.get("gen_ai.request.stream") for facts in spans] == [None, True, None, True]


def test_doctor_shows_what_others_registered(tmp_path: Path) -> None:
    env = _install(tmp_path, entry="acme = acme_agentprof:SPEC", code=EXAMPLE)

    done = _run("-m", "otel_agentprof", "doctor", env={**env, **_only("openai")})

    assert done.returncode == 0, done.stderr
    assert "  acme             1.0 (acme-llm>=1)\n    patched: 2 methods\n" in done.stdout


@pytest.mark.parametrize(
    ("entry", "code", "told"),
    [
        ("acme = acme_agentprof:SPEC", "raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("acme = acme_agentprof:SPEC", "SPEC = 5", "is a int, expected a ProviderSpec"),
        ("emca = acme_agentprof:SPEC", EXAMPLE, "calls itself 'acme', its entry point 'emca'"),
        ("openai = acme_agentprof:SPEC", EXAMPLE, "openai is ours already"),
    ],
)
def test_an_entry_point_that_is_broken_is_told_and_stops_nobody(
    entry: str, code: str, told: str, tmp_path: Path
) -> None:
    env = _install(tmp_path, entry=entry, code=code) | _only("openai")

    done = _run("-m", "otel_agentprof", "doctor", env=env)
    calls = _run("-W", "error", "-c", "import otel_agentprof, openai; otel_agentprof.instrument()", env=env)

    assert done.returncode == 0
    assert told in done.stdout + done.stderr
    assert re.search(r"openai +\d.*\n +patched: \d+ methods", done.stdout)
    assert calls.returncode == 0
    assert calls.stderr.count("\n") <= 1, "one line of log at most"


def test_doctor_says_why_a_library_cannot_be_imported_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "groq.py").write_text("raise ImportError('libfoo.so: no such file')")
    (tmp_path / "ollama.py").write_text("")
    env = {**os.environ, **_only("groq", "ollama", "together"), "PYTHONPATH": str(tmp_path)}

    done = _run("-m", "otel_agentprof", "doctor", "--format", "json", env=env)

    assert (done.returncode, done.stderr) == (0, "")
    notes = {row["name"]: row["notes"] for row in json.loads(done.stdout)["libraries"]}
    assert notes["groq"] == ["not importable here: ImportError: libfoo.so: no such file"]
    (why,) = notes["ollama"]
    assert why.startswith("not importable here: ModuleNotFoundError: No module named 'ollama._client'")
    assert why.endswith(" (2 methods)")
    assert notes["together"] == ["patched: 10 methods"]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a library known for one test, as if it had a file of its own."""

    def add(spec: FrameworkSpec) -> None:
        known = {**libraries.known(), spec.name: Library(spec.name, "framework", "json")}
        monkeypatch.setattr(libraries, "known", lambda: known)
        monkeypatch.setattr(Library, "load", _loading(Library.load, spec))

    return add


def _loading(load: Any, spec: FrameworkSpec) -> Any:
    def loaded(self: Library) -> Any:
        return spec if self.name == spec.name else load(self)

    return loaded


def test_a_framework_that_cannot_be_attached_stops_nobody(
    added: Any, pipeline: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    def attach(_: object) -> Any:
        raise AttributeError("its hook has moved")

    added(FrameworkSpec("shaky", "opentelemetry-api", attach, "by its hook"))

    with caplog.at_level(logging.WARNING), otel_agentprof.instrument(tracer_provider=pipeline.provider):
        states = {target.provider: target for target in REGISTRY.targets()}

    assert states["shaky"].state == "broken"
    assert states["shaky"].detail == "AttributeError: its hook has moved"
    assert states["openai"].state in {"patched", "waiting"}
    assert [record.getMessage() for record in caplog.records] == [
        "shaky could not be instrumented: AttributeError: its hook has moved; the program goes on"
    ]


def test_a_framework_is_attached_once_and_detached(added: Any, pipeline: Spans) -> None:
    told: list[str] = []

    def attach(_: object) -> Any:
        told.append("attached")
        return lambda: told.append("detached")

    added(FrameworkSpec("steady", "opentelemetry-api", attach, "by its hook"))

    for _ in range(2):
        with otel_agentprof.instrument(tracer_provider=pipeline.provider):
            otel_agentprof.instrument()
            assert {t.state for t in REGISTRY.targets() if t.provider == "steady"} == {"attached"}

    assert told == ["attached", "detached"] * 2


USERS_OWN = ("agents", "mcp", "haystack", "strands", "dspy", "crewai")


def test_a_package_of_the_users_own_under_a_frameworks_name_is_nobodys_business(tmp_path: Path) -> None:
    for name in USERS_OWN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "agents" / "tool_context.py").write_text("print('imported')")
    program = f"import otel_agentprof; otel_agentprof.instrument(); import {', '.join(USERS_OWN)}"
    paths = [str(tmp_path), str(HERE.parent.parent)]

    done = _run("-c", program, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_framework_that_is_shadowed_is_told(
    added: Any, pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(FrameworkSpec("shadowed", "pytest", lambda _: pytest.fail("attached"), "by its hook"))
    monkeypatch.setattr(sys.modules["json"], "__name__", "pytest")

    with otel_agentprof.instrument(tracer_provider=pipeline.provider, include=["shadowed"]):
        (target,) = REGISTRY.targets()

    assert (target.state, target.detail) == ("unfit", "what is imported as json is not pytest")


def test_a_module_is_from_where_it_was_installed() -> None:
    users_own = ModuleType("pytest")
    users_own.__file__ = __file__

    assert versions.is_from(pytest, "pytest>=1")
    assert versions.is_from(ModuleType("editable"), "pytest>=1")
    assert not versions.is_from(users_own, "pytest>=1")
    assert not versions.is_from(pytest, "no-such-distribution>=1")
    assert not versions.is_from(pytest, ">=1")


def test_a_version_that_is_too_old_is_left_alone(pipeline: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "problem", lambda wanted: "too old" if "groq" in wanted else None)
    pytest.importorskip("groq")

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        states = {(target.state, target.detail) for target in REGISTRY.targets() if target.provider == "groq"}

    assert states == {("unfit", "too old")}


def test_a_version_is_known_by_its_requirement() -> None:
    assert versions.problem("opentelemetry-api>=1") is None
    assert versions.problem("no-such-distribution>=1") is None
    told = versions.problem("opentelemetry-api>=999")
    assert told is not None
    assert told.endswith("is installed, opentelemetry-api>=999 is known to work")


@pytest.mark.parametrize(
    ("installed", "wanted", "is_fine"),
    [
        ("2.0.0", "x>=2", True),
        ("2", "x>=2.0.0", True),
        ("1.99.9", "x>=2", False),
        ("1.0.0b9", "x>=1.0.0b9", True),
        ("10.1", "x>=9", True),
        ("0.61b0", "x>=0.61b0", True),
        ("3.1", "x>=2,<3", False),
        ("2.9", "x>=2,<3", True),
        ("2.9", "x[extra]>=2", True),
    ],
)
def test_versions_are_compared_by_their_numbers(
    installed: str, wanted: str, *, is_fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: installed)

    assert (versions.problem(wanted) is None) == is_fine
