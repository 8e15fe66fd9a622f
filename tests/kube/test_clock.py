"""The clock of a server that dates its answers to a second."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.kube.clock import ServerClock

AHEAD = 1_700_000_000.25

moments = st.lists(st.floats(0, 100), min_size=1, max_size=30).map(sorted)
delays = st.lists(st.floats(0, 3), min_size=60, max_size=60)


def read(clock: ServerClock, at: float) -> float:
    """Return what a clock says at a moment of the monotonic one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: at)
        return clock.now()


@given(moments, delays)
def test_it_is_never_back_and_never_ahead_and_within_a_second_and_a_delay(
    sent: list[float], delays: list[float]
) -> None:
    clock, last = ServerClock(), 0.0
    for number, moment in enumerate(sent):
        dated = moment + delays[2 * number]
        received = dated + delays[2 * number + 1]
        clock.take(formatdate(dated + AHEAD, usegmt=True), moment, received)
        now = read(clock, received)
        assert now <= received + AHEAD + 1e-3
        assert now >= received + AHEAD - 1 - delays[1] - 1e-3
        assert read(clock, 1000) >= last - 1e-3
        last = read(clock, 1000)


def test_many_answers_tell_the_time_better_than_one() -> None:
    clock = ServerClock()
    for number in range(40):
        moment = number * 0.9
        clock.take(formatdate(moment + AHEAD, usegmt=True), moment, moment + 0.01)
    assert read(clock, 50) == pytest.approx(50 + AHEAD, abs=0.11)


def test_a_server_whose_clock_is_set_is_followed() -> None:
    clock = ServerClock()
    clock.take(formatdate(AHEAD, usegmt=True), 0, 0)
    for by in (-600, 600):
        clock.take(formatdate(AHEAD + 10 + by, usegmt=True), 10, 10)
        assert read(clock, 10) == pytest.approx(AHEAD + 10 + by, abs=1)


def test_what_is_no_date_says_nothing() -> None:
    clock = ServerClock()
    for date in ("", "tomorrow", "Fri, 32 Jan 2027 00:00:00 GMT"):
        clock.take(date, 0, 0)
        assert clock.now() == pytest.approx(time.time(), abs=5)
