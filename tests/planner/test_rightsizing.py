"""How much to ask for: never less than anybody has used or died of, and more with a larger margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.rightsizing import (
    SAMPLES_LEAST,
    Sample,
    Sizing,
    nearest_rank,
    round_bytes,
    round_cpu,
    saved,
    sized,
)
from planner.clusters import PROPERTY

MIB, GIB = 1 << 20, 1 << 30
amounts = st.integers(0, 64 * GIB)
samples = st.lists(
    st.builds(
        lambda seconds, requested, used, end: Sample(
            seconds=seconds, requested=requested, used=used, succeeded=end == "succeeded", killed=end == "killed"
        ),
        st.integers(1, 10**5),
        st.none() | amounts,
        st.none() | amounts,
        st.sampled_from(("succeeded", "succeeded", "succeeded", "failed", "killed")),
    ),
    max_size=30,
)
margins = st.floats(0, 10)
roundings = st.sampled_from((round_cpu, round_bytes))


@PROPERTY
@given(samples, margins, margins, roundings)
def test_a_larger_margin_never_proposes_less(known: list[Sample], one: float, other: float, rounded: object) -> None:
    less, more = (sized(known, margin, rounded).proposed for margin in sorted((one, other)))  # type: ignore[arg-type]
    assert (less is None) == (more is None)
    assert less is None or more is None or less <= more


@PROPERTY
@given(samples, margins)
def test_nothing_below_what_was_used_or_was_not_enough_is_proposed(known: list[Sample], margin: float) -> None:
    found = sized(known, margin, round_bytes)
    used = [each.used for each in known if each.succeeded and each.used is not None]
    assert found.samples == len(used)
    assert (found.proposed is None) == (len(used) < SAMPLES_LEAST)
    assert found.largest == max(used, default=None)
    killed = [limit for each in known if each.killed for limit in (each.requested, each.used) if limit]
    assert found.above == max(killed, default=None)
    if found.proposed is not None:
        assert found.p95 is not None and found.p95 * (1 + margin) <= found.proposed
        assert all(each <= found.proposed for each in used)
        assert all(each < found.proposed for each in killed)


@PROPERTY
@given(samples, margins, st.integers(1, 64 * GIB))
def test_an_attempt_that_was_killed_never_lowers_and_is_no_sample(
    known: list[Sample], margin: float, limit: int
) -> None:
    before = sized(known, margin, round_bytes)
    after = sized([*known, Sample(seconds=1, requested=limit, succeeded=False, killed=True)], margin, round_bytes)
    assert (after.samples, after.p95, after.largest) == (before.samples, before.p95, before.largest)
    if before.proposed is not None:
        assert after.proposed is not None and after.proposed >= max(before.proposed, limit + 1)


@PROPERTY
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 100))
def test_nearest_rank_is_a_value_that_enough_do_not_exceed_and_the_least_such(values: list[int], percent: int) -> None:
    found = nearest_rank(sorted(values), percent)
    assert found in values
    assert 100 * sum(each <= found for each in values) >= percent * len(values)
    assert 100 * sum(each < found for each in values) < percent * len(values)


@PROPERTY
@given(amounts, amounts, roundings)
def test_rounding_goes_up_keeps_the_order_and_stays_where_it_is(one: int, other: int, rounded: object) -> None:
    low, high = sorted((one, other))
    assert low <= rounded(low) <= rounded(high) == rounded(rounded(high))  # type: ignore[operator]
    assert rounded(low) > 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "expected"), [(0, 50), (1, 50), (50, 50), (951, 1000), (1001, 1250), (8000, 8000), (8001, 9000)]
)
def test_cores_are_rounded_as_people_write_them(given: int, expected: int) -> None:
    assert round_cpu(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, 16 * MIB),
        (65 * MIB, 80 * MIB),
        (257 * MIB, 320 * MIB),
        (GIB, GIB),
        (GIB + 1, GIB + 256 * MIB),
        (16 * GIB + 1, 17 * GIB),
    ],
)
def test_bytes_are_rounded_as_people_write_them(given: int, expected: int) -> None:
    assert round_bytes(given) == expected


def test_an_example() -> None:
    known = [Sample(seconds=3600, requested=4000, used=used) for used in (500, 600, 700, 800, 1000)]
    found = sized(known, 0.2, round_cpu)
    assert found == Sizing(samples=5, p95=1000, largest=1000, proposed=1250)
    assert saved(known, found.proposed) == 5 * 2750
    assert saved([Sample(seconds=1, used=5)], 10) is None and saved(known, None) is None
    assert saved([Sample(seconds=3600, requested=1000)], 2000) == -1000


def test_one_that_used_more_than_the_others_is_not_cut_off() -> None:
    known = [Sample(seconds=1, used=100)] * 99 + [Sample(seconds=1, used=900)]
    found = sized(known, 0.0, round_cpu)
    assert (found.p95, found.largest, found.proposed) == (100, 900, 900)
