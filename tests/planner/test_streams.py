"""The stream of a seed is Go's: what is expected here was printed by a program in Go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.streams import Stream
from planner.clusters import PROPERTY


def test_the_stream_is_that_of_go() -> None:
    # r := rand.New(rand.NewSource(42)); r.Int(), r.Intn(1000), r.Perm(10), r.Shuffle of 0 … 9
    stream = Stream(42)
    stream.skip()
    assert stream.below(1000) == 987
    assert stream.permutation(10) == [1, 8, 5, 7, 6, 4, 0, 9, 3, 2]
    items = list(range(10))
    stream.shuffle(items)
    assert items == [8, 0, 2, 7, 6, 4, 9, 5, 1, 3]


@PROPERTY
@given(st.integers(0, 2**40), st.integers(1, 2**31 - 1))
def test_numbers_stay_below_their_bound_and_follow_from_the_seed(seed: int, bound: int) -> None:
    drawn = [Stream(seed).below(bound) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert 0 <= drawn[0] < bound


@pytest.mark.parametrize("count", [0, 1, 2, 8, 100])
def test_orders_hold_every_item_once(count: int) -> None:
    items = list(range(count))
    Stream(1).shuffle(items)
    assert sorted(items) == sorted(Stream(2).permutation(count)) == list(range(count))
