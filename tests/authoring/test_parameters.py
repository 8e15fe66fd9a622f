"""Parameters of a flow in its record and back."""

from __future__ import annotations

import enum
import inspect
from pathlib import Path

import pytest

from fairlead.authoring.parameters import recorded, revived
from fairlead.authoring.steps import signature_of


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


def flow(path: Path, mode: Mode, sizes: tuple[int, ...], rate: float, name: str | None = None) -> None: ...


def signature() -> inspect.Signature:
    return signature_of(flow)


def test_what_is_recorded_comes_back_as_the_flow_takes_it() -> None:
    given = {"path": Path("data/x.csv"), "mode": Mode.SLOW, "sizes": (1, 2), "rate": 0.5, "name": None}
    written = recorded(given)
    assert written == {"path": "data/x.csv", "mode": "SLOW", "sizes": [1, 2], "rate": 0.5, "name": None}
    assert revived(signature(), written) == given


def test_what_json_can_not_hold_is_left_out() -> None:
    assert recorded({"a": object(), "b": float("nan"), "c": 2**70, "d": {1: 2}, "e": [1, {2}], "f": 1}) == {"f": 1}


def test_a_value_that_fits_no_longer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of FAST, SLOW"):
        revived(signature(), {"mode": "MEDIUM"})


def test_a_parameter_that_is_gone_is_left_out() -> None:
    assert revived(signature(), {"gone": 1, "rate": 0.5}) == {"rate": 0.5}
