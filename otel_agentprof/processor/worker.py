"""The thread that does what must not be done in the threads of the user's program."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Calls = SimpleQueue[threading.Event | None]

_SWARM_S = 0.01


class Worker:
    """A daemon thread, started at the first wake-up, that runs one job again and again.

    Attributes:
        is_woken: A wake-up is on its way; another one would tell nothing new.
        is_stopped: No thread will run the job any more.
    """

    def __init__(self, job: Callable[[], float]) -> None:
        """Run ``job`` when woken, and at the latest after the seconds that it returned; it must not raise."""
        self._job = job
        self.reset()

    def reset(self) -> None:
        """Forget thread and queue, as a forked child must: neither works there."""
        self.is_woken = False
        self.is_stopped = False
        # Reentrant, because a signal handler may shut down in the middle of a start.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        # In C and reentrant: put() may come from a finaliser that runs anywhere, a lock of ours might not.
        self._calls: Calls = SimpleQueue()

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs on the worker, as a callback does."""
        return self._thread is threading.current_thread()

    def wake(self) -> None:
        """Ask for a run soon."""
        if self._thread is None:
            self._start()
        self.is_woken = True
        self._calls.put(None)

    def run_now(self, timeout_s: float) -> bool:
        """Wait until the job has run from start to end; return False if that took too long."""
        self._start()
        if self.is_stopped:
            self._job()
            return True
        done = threading.Event()
        self._calls.put(done)
        return done.wait(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Let the thread end after what it is doing."""
        self.is_stopped = True
        thread = self._thread
        if thread is not None and not self.is_current_thread:
            self._calls.put(None)
            thread.join(timeout_s)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self.is_stopped:
                thread = threading.Thread(
                    target=self._run, args=(self._calls,), name="agentprof", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # none can be started any more once the interpreter is about to end
                    self.is_stopped = True
                else:
                    self._thread = thread

    def _run(self, calls: Calls) -> None:
        # The job calls exporters and the user's callbacks: their own requests are not part of any trace.
        from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415 - slow import

        try:
            with suppress_instrumentation():
                wait_s = 0.0
                while not self.is_stopped:
                    wait_s = self._run_once(calls, wait_s)
        finally:
            # Whatever may have ended the thread: the next wake-up starts another one.
            self._thread = None

    def _run_once(self, calls: Calls, wait_s: float) -> float:
        try:
            done = calls.get(timeout=wait_s)
            if done is None:
                # Short traces come in swarms: changing threads for each would cost the program more than
                # our work does. Whoever waits for us gets through at once.
                done = calls.get(timeout=_SWARM_S)
        except Empty:
            done = None
        # Before the job looks at its input: what comes in while it does wakes it again.
        self.is_woken = False
        try:
            return self._job()
        finally:
            if done is not None:
                done.set()
