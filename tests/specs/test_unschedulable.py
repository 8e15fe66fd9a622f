from __future__ import annotations

import pytest

from fairlead.specs.unschedulable import Unschedulable, parse_unschedulable


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", Unschedulable()),
        ("warn", Unschedulable()),
        ("fail-after 10m", Unschedulable("fail-after", 600.0)),
        (" fail-after  1h30m ", Unschedulable("fail-after", 5400.0)),
        ("fail-if-never-fits", Unschedulable("fail-if-never-fits")),
    ],
)
def test_a_policy_is_read(text: str, policy: Unschedulable) -> None:
    assert parse_unschedulable(text) == policy


@pytest.mark.parametrize("text", ["fail", "fail-after", "fail-after soon", "warn 10m", "fail-if-never-fits 1m", "Warn"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no policy|no duration"):
        parse_unschedulable(text)
