"""Values that are worked out once."""

from __future__ import annotations

from otel_agentprof.model.lazy import lazy


class Sum:
    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.times_added = 0

    @lazy
    def value(self) -> int:
        """All of them."""
        self.times_added += 1
        return sum(self.numbers)


def test_a_value_is_worked_out_when_it_is_asked_for_and_kept() -> None:
    some, others = Sum(1, 2), Sum(3, 4)
    assert some.times_added == 0

    assert (some.value, some.value, others.value) == (3, 3, 7)
    assert (some.times_added, others.times_added) == (1, 1)


def test_a_class_tells_what_the_value_is() -> None:
    assert isinstance(Sum.value, lazy)
    assert Sum.value.__doc__ == "All of them."
