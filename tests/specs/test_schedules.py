"""What a schedule can be, and what is said where it can't."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.specs.schedules import NAME_LENGTH_MAX, Schedule, cron_fault, schedule_faults, timezone_fault

REACHES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
GOOD = (
    "0 3 * * *", "*/15 9-17 * * mon-fri", "0 0 1,15 * ?", "5/10 * * JAN-mar SUN", "0 0 31 12 6", "@daily", "@every 1h30m",
    "  0  3 * * * ",
)  # fmt: skip
BAD = {
    "": "has 5 fields",
    "0 3 * *": "has 4",
    "0 0 3 * * *": "has 6",
    "60 * * * *": "the minute '60'",
    "0 24 * * *": "the hour '24'",
    "0 0 0 * *": "the day of the month '0'",
    "0 0 * 13 *": "the month '13'",
    "0 0 * * 7": "the day of the week '7' is no number or range of 0 to 6, or sun, mon",
    "0 0 * * mon-": "the day of the week 'mon-'",
    "0 9-8 * * *": "the hour '9-8'",
    "1-2-3 * * * *": "the minute '1-2-3'",
    "*/0 * * * *": "the step of the minute",
    "*/x * * * *": "the step of the minute",
    "1, * * * *": "the minute ''",
    "-1 * * * *": "the minute '-1'",
    "mon * * * *": "the minute 'mon'",
    "٣ * * * *": "the minute",
    "@often": "none of @yearly",
    "@every day": "none of @yearly",
    "CRON_TZ=Europe/Berlin 0 3 * * *": "given beside it",
}


def fields() -> st.SearchStrategy[str]:
    """Cron expressions, from the rules of each field."""
    return st.tuples(*(_field(*reach) for reach in REACHES)).map(" ".join)


def _field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    ranges = st.tuples(number, number).map(lambda ends: "-".join(map(str, sorted(ends))))
    reach = st.sampled_from(["*", "?"]) | number.map(str) | ranges
    item = st.tuples(reach, st.just("") | st.integers(1, 99).map("/{}".format)).map("".join)
    return st.lists(item, min_size=1, max_size=3).map(",".join)


def schedule(**changed: Any) -> Schedule:
    return Schedule(**{"name": "nightly", "cron": "0 3 * * *", **changed})


@pytest.mark.parametrize("text", GOOD)
def test_what_argo_reads_is_an_expression(text: str) -> None:
    assert cron_fault(text) is None


@pytest.mark.parametrize(("text", "said"), BAD.items())
def test_what_it_does_not_read_is_named_with_its_field(text: str, said: str) -> None:
    assert said in (cron_fault(text) or "")


@given(fields())
def test_every_expression_of_the_rules_is_one(text: str) -> None:
    assert cron_fault(text) is None


@given(fields(), st.integers(0, 4), st.integers(60, 10**6))
def test_a_number_beyond_every_field_is_refused_wherever_it_stands(text: str, place: int, number: int) -> None:
    parts = text.split()
    parts[place] = str(number)
    assert str(number) in (cron_fault(" ".join(parts)) or "")


def test_a_time_zone_that_is_not_there_brings_the_nearest() -> None:
    assert timezone_fault("Europe/Berlin") is None and timezone_fault("UTC") is None
    assert "'Europe/Berlin'" in (timezone_fault("Europe/Berln") or "")


def test_every_fault_is_named_with_its_path() -> None:
    assert list(schedule_faults(schedule())) == []
    wrong = schedule(name="Nightly", cron="x", timezone="Mars/Olympus", deadline_s=-1, kept=-1, kept_failed=-2)
    assert [fault.path for fault in schedule_faults(wrong)] == [
        "name", "cron", "timezone", "deadline", "kept", "kept_failed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("a" * NAME_LENGTH_MAX, True), ("a" * (NAME_LENGTH_MAX + 1), False), ("1a", False), ("a-", False)],
)
def test_a_name_leaves_room_for_what_argo_puts_behind_it(name: str, good: bool) -> None:
    assert (list(schedule_faults(schedule(name=name))) == []) is good
