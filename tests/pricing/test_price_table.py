"""Loading happens once per process, so each claim here has a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from otel_agentprof.pricing import table


def run(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return (done.stdout + done.stderr).split("\n")[:-1]


def test_importing_pricing_imports_no_table() -> None:
    lines = run("""
        import sys, otel_agentprof.pricing
        print([name for name in ("genai_prices", "pydantic", "rich", "httpx") if name in sys.modules])
    """)

    assert lines == ["[]"]


def test_the_table_is_imported_once_on_a_daemon_thread_and_a_span_waits_for_it() -> None:
    lines = run("""
        import sys, threading
        from otel_agentprof import pricing
        class Witness:
            def find_spec(self, name, path=None, target=None):
                if name.startswith("genai_prices"):
                    threads.add((threading.current_thread().name, threading.current_thread().daemon))
        threads = set()
        sys.meta_path.insert(0, Witness())

        pricing.load_in_background()
        pricing.load_in_background()
        count = sum(thread.name == "agentprof-prices" for thread in threading.enumerate())
        card = pricing.rate_card("gpt-4o", provider="openai")
        print(count, threads, card is not None, pricing.wait(0))
    """)

    assert lines == ["1 {('agentprof-prices', True)} True True"]


def test_the_first_caller_loads_the_table_when_nobody_has_started_to() -> None:
    lines = run("""
        import threading
        from otel_agentprof import pricing
        print(pricing.rate_card("gpt-4o") is not None, threading.active_count())
        pricing.load_in_background()
        print(threading.active_count())
    """)

    assert lines == ["True 1", "1"]


@pytest.mark.parametrize("start", ["pricing.load_in_background()", ""])
def test_a_missing_table_is_one_warning_and_no_price(start: str) -> None:
    lines = run(f"""
        import sys
        from otel_agentprof import pricing
        sys.modules["genai_prices"] = None
        {start}
        print(pricing.rate_card("gpt-4o"), pricing.rate_card("gpt-4"), repr(pricing.price_table()))
        pricing.configure({{"gpt-4o": {{"input": 1, "output": 1}}}})
        print(pricing.rate_card("gpt-4o").table)
    """)

    assert lines[:2] == ["None None ''", "own-prices"]
    assert len(lines) == 3
    assert lines[2].startswith("costs stay unknown, genai-prices cannot be loaded: ModuleNotFoundError: ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_the_table_is_loading_has_prices_and_does_not_hang() -> None:
    lines = run("""
        import os, sys
        from otel_agentprof import pricing
        pricing.load_in_background()
        pid = os.fork()
        if not pid:
            print(pricing.rate_card("gpt-4o") is not None, flush=True)
            os._exit(0)
        print(os.waitpid(pid, 0)[1], pricing.rate_card("gpt-4o") is not None)
    """)

    assert lines == ["True", "0 True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_before_loading_loads_for_itself() -> None:
    lines = run("""
        import os, signal
        from otel_agentprof import pricing
        pid = os.fork()
        if not pid:
            signal.alarm(30)
            pricing.load_in_background()
            print(pricing.rate_card("gpt-4o") is not None, flush=True)
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
    """)

    assert lines == ["True", "0"]


def test_a_child_of_a_load_that_never_ended_goes_without_prices_at_once() -> None:
    loader = table.Loader()
    loader._is_loading = True
    loader._patience_s = 0.0

    loader._before_fork()
    loader._after_fork_in_child()

    assert loader.wait()
    assert loader.snapshot() is None


def test_a_program_without_threads_left_loads_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = table.Loader()
    monkeypatch.setattr(threading.Thread, "start", _no_more_threads)

    loader.start()

    assert loader.wait()
    assert loader.snapshot() is not None


def test_many_threads_that_ask_first_all_get_the_one_table() -> None:
    loader = table.Loader()
    found: list[object] = []
    askers = [threading.Thread(target=lambda: found.append(loader.snapshot())) for _ in range(8)]

    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert len(found) == 8
    assert found[0] is not None
    assert len({id(snapshot) for snapshot in found}) == 1


def _no_more_threads(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
