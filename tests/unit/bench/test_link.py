"""The link that all connections of the local Hub share."""

import pytest

from tests.fakes.hub_link import BURST_SECONDS, Link


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_whoever_asks_later_waits_for_those_before() -> None:
    link = Link(1000, clock=Clock())
    waits = [link.seconds_until_sent(500) for _ in range(3)]
    assert waits == pytest.approx([0.5 - BURST_SECONDS, 1.0 - BURST_SECONDS, 1.5 - BURST_SECONDS])


def test_one_that_sleeps_a_little_too_long_gets_the_whole_rate() -> None:
    clock = Clock()
    link, sent = Link(1000, clock=clock), 0
    while clock.now < 110:
        clock.now += link.seconds_until_sent(100) + BURST_SECONDS / 2
        sent += 100
    assert sent / (clock.now - 100) == pytest.approx(1000, rel=0.02)


def test_what_nobody_used_for_long_is_lost() -> None:
    clock = Clock()
    link = Link(1000, clock=clock)
    link.seconds_until_sent(100)
    clock.now += 60
    assert link.seconds_until_sent(100) == pytest.approx(0.1 - BURST_SECONDS)
