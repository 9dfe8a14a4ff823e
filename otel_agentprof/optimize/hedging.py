"""A second try beside a slow first one; whoever answers first is heard, the other is given up.

hedge after |----|
first       |------------------x     lost
second           |----------|        won

An answer that comes when the other one is heard already is dropped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.optimize import own_spans
from otel_agentprof.optimize.window import give_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ATTEMPT_SPAN: Final = "agentprof.hedge"


async def hedged(
    after_s: float, work: Callable[[], Awaitable[Any]], may_start: Callable[[], bool] = lambda: True
) -> Any:
    """Do some work; start it once more where it takes longer than ``after_s`` seconds.

    Args:
        after_s: How long the first try has for itself.
        work: What to do.
        may_start: Whether there is room for a second try; else the first one is waited for.
    """
    race = _Race(work)
    loop = asyncio.get_running_loop()
    runners = [loop.create_task(race.run(1))]
    try:
        done, _ = await asyncio.wait(runners, timeout=after_s)
        if not done and not may_start():
            await asyncio.wait(runners)
        elif not done:
            runners.append(loop.create_task(race.run(2)))
            left = set(runners)
            while left and race.winner is None:
                _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await give_up(runners)
    winner = race.winner or runners[0]  # both failed: the first one's error, as without a hedge
    return winner.result()


class _Race:
    """What the attempts of one call know of each other."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work
        self.winner: asyncio.Task[Any] | None = None

    async def run(self, attempt: int) -> Any:
        """Run one attempt in a span that says what became of it."""
        span = own_spans.start(ATTEMPT_SPAN, {semconv.ROLE: "step", semconv.HEDGE_ATTEMPT: attempt})
        try:
            with own_spans.inside(span):
                result = await self._work()
        except BaseException as error:
            is_lost = self.winner is not None and isinstance(error, asyncio.CancelledError)
            outcome = "lost" if is_lost else "failed"
            # A loser has done nothing wrong.
            own_spans.finish(span, None if is_lost else error, {semconv.HEDGE_OUTCOME: outcome})
            raise
        if self.winner is None:
            self.winner = asyncio.current_task()
            own_spans.finish(span, None, {semconv.HEDGE_OUTCOME: "won"})
        else:  # both in the same moment
            own_spans.finish(span, None, {semconv.HEDGE_OUTCOME: "lost"})
        return result
