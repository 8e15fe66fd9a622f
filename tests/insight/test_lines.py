"""Which line of a log may tell why its program ended."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.insight.lines import last_of

REFUSED = re.compile("refused")
RAISED = "ConnectionRefusedError: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([RAISED], 0),
        ([RAISED, "epoch 1 loss 2", "epoch 2 loss 1"], None),  # it went on
        ([RAISED, " 45%|####      | 9/20", " 50%|#####     | 10/20"], None),
        ([RAISED, "epoch 1 loss 2"], 0),  # one line may be of another rank
        ([RAISED, "worker failed at step 3", "error at step 3"], 0),
        (["WARNING:urllib3: connection refused, retrying", "ValueError: no"], None),
        (["2026-11-28 03:50:00,123 - urllib3 - WARNING - connection refused", "ValueError: no"], None),
        (['{"level": "info", "msg": "refused"}', "ERROR: no luck"], None),
        (["WARNING:urllib3: connection refused, retrying", "bye"], 0),  # nothing else tells it
        (["fit-0:23:45 [0] socket.cc:483 NCCL WARN connection refused", "RuntimeError: NCCL error"], 0),
    ],
)
def test_a_line_tells_it_unless_the_program_went_on_or_says_worse_after_it(
    lines: list[str], number: int | None
) -> None:
    assert last_of(REFUSED, tuple(lines)) == number


RAISES = "Traceback (most recent call last):"
DURING = "During handling of the above exception, another exception occurred:"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["telemetry: connection refused", "ready", RAISES, "KeyError: 'model'"], None),
        (["telemetry: connection refused", "ready"], 0),
        ([RAISES, RAISED, "", DURING, "", RAISES, "RuntimeError: no server"], 1),
        ([RAISES, f"[rank1]: {RAISED}", RAISES, "[rank0]: RuntimeError: NCCL error"], 1),
        ([RAISES, "  File x", RAISED, "bye"], 2),
        ([RAISES, RAISED, "tries again", RAISES, "KeyError: 'model'"], None),
        ([RAISES, "KeyError: 'model'", "telemetry: ERROR connection refused"], None),
        ([RAISES, RAISED, RAISES, "errors.ChildFailedError: "], 1),  # the launcher of what was raised
    ],
)
def test_what_programs_often_catch_counts_as_an_exception_or_in_the_last_one(
    lines: list[str], number: int | None
) -> None:
    assert last_of(REFUSED, tuple(lines), often_caught=True) == number


def test_of_what_somebody_ended_only_an_exception_tells_why() -> None:
    lines = ("metrics: connection refused, trying again", "SIGTERM received")
    assert last_of(REFUSED, lines, often_caught=True, by_signal=True) is None
    assert last_of(REFUSED, lines, by_signal=True) == 0
    assert last_of(REFUSED, (*lines, RAISES, RAISED), often_caught=True, by_signal=True) == 3


@given(st.lists(st.sampled_from([RAISED, "INFO refused", "epoch 3", "ValueError: no", "bye"])))
def test_what_is_found_is_a_line_of_the_pattern_after_the_last_but_one_report(lines: list[str]) -> None:
    found = last_of(REFUSED, tuple(lines))
    if found is not None:
        assert REFUSED.search(lines[found])
        assert lines[found + 1 :].count("epoch 3") < 2
