"""The error tree: exit codes, the four answers, nearest names."""

from __future__ import annotations

import pytest

from fairlead import errors
from fairlead.cli.main import EXIT_CODES
from fairlead.errors import FairleadError, Fault, MissingExtra, SpecError, UsageError, nearest

CODES = {
    "FairleadError": 1,
    "UsageError": 2,
    "MissingExtra": 2,
    "SpecError": 2,
    "NotFoundError": 4,
    "StoreError": 3,
    "ClaimedError": 3,
    "ClusterError": 3,
    "DamagedError": 1,
    "RunFailed": 1,
    "GaveUp": 5,
    "WouldNotRun": 6,
}


def test_every_class_has_the_exit_code_that_the_tree_says() -> None:
    classes = {
        name: each for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)
    }
    assert {name: each.exit_code for name, each in classes.items()} == CODES
    assert all(f"{name} " in (errors.__doc__ or "") for name in classes)
    assert set(CODES.values()) <= set(EXIT_CODES)


def test_a_message_gives_the_four_answers_in_order() -> None:
    error = UsageError("cannot submit", where="flow.py:14", why="4 allowed, 8 asked", next="ask for 4")
    assert str(error).splitlines() == [
        "cannot submit",
        "  where  flow.py:14",
        "  why    4 allowed, 8 asked",
        "  next   ask for 4",
    ]
    assert (error.what, error.where, error.why, error.next) == (
        "cannot submit",
        "flow.py:14",
        "4 allowed, 8 asked",
        "ask for 4",
    )


def test_answers_that_are_not_given_leave_no_line() -> None:
    assert str(FairleadError("it failed")) == "it failed"
    assert str(FairleadError("it failed", next="mend it")).splitlines() == ["it failed", "  next   mend it"]


def test_a_spec_error_shows_every_fault_with_its_path() -> None:
    error = SpecError("step 'fit'", [Fault("cpu", "is no number"), Fault("", "is odd")], next="edit flow.py:3")
    assert str(error).splitlines() == [
        "step 'fit' is not valid",
        "  cpu: is no number",
        "  is odd",
        "  next   edit flow.py:3",
    ]
    assert error.faults == (("cpu", "is no number"), ("", "is odd"))


def test_a_missing_extra_says_the_command_that_installs_it() -> None:
    error = MissingExtra("optuna", "sweeps", "a sweep")
    assert str(error).splitlines() == [
        "a sweep needs the library 'optuna', which is not installed",
        "  next   pip install 'fairlead[sweeps]'",
    ]


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("tpee", ["tpe", "random"], "did you mean 'tpe'?"),
        ("ROWS", ["rows"], "did you mean 'rows'?"),
        ("fit_a", ["fit_b", "fit_c"], "did you mean 'fit_c' or 'fit_b'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [], ""),
        (
            "zzz",
            [f"n{each:02}" for each in range(25)],
            "known: " + ", ".join(f"n{each:02}" for each in range(20)) + ", …",
        ),
    ],
)
def test_the_nearest_names_are_offered_else_what_is_known(name: str, known: list[str], said: str) -> None:
    assert nearest(name, known) == said
