"""Which lines of a log tell of what ended a program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.insight.tracebacks import ending

RAN = ["Traceback (most recent call last):", '  File "fit.py", line 3, in fit', "    step()"]
FAILED = [*RAN, "ValueError: no luck"]
CHAIN = ["", "The above exception was the direct cause of the following exception:", ""]
WRAPPED = [*RAN, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "]


@pytest.mark.parametrize(
    ("lines", "first", "last"),
    [
        (["step 1", *FAILED, "bye"], 1, 4),
        ([*FAILED, "caught it", *FAILED], 5, 8),
        ([*FAILED, *CHAIN, *FAILED], 0, 10),
        (["KeyError: 'cut off above'", *CHAIN, *FAILED], 0, 7),
        ([*FAILED, *WRAPPED], 0, 3),
        ([f"[rank1]: {line}" for line in FAILED], 0, 3),
        ([*FAILED, "Exception ignored in: <function f>", *FAILED], 0, 3),
    ],
)
def test_it_is_the_last_exception_with_those_that_it_was_raised_from(lines: list[str], first: int, last: int) -> None:
    found = ending(lines)
    assert found == range(first, last + 1)


@pytest.mark.parametrize("lines", [[], ["step 1", "Killed"], WRAPPED, RAN])
def test_there_is_none_where_no_exception_of_its_own_is_whole(lines: list[str]) -> None:
    assert ending(lines) is None


@given(st.lists(st.sampled_from([*FAILED, *CHAIN, *WRAPPED, "step", " ", ""])))
def test_it_lies_within_the_log_whatever_that_holds(lines: list[str]) -> None:
    found = ending(lines)
    assert found is None or (found and found[0] >= 0 and found[-1] < len(lines))
