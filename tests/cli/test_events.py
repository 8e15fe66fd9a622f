"""``fairlead events``: what happened, in the order of time."""

from __future__ import annotations

from finished import Command, Finished


def test_events_are_in_the_order_of_time(finished: Finished, command: Command) -> None:
    found = command("events", finished.first, "-o", "json").document
    assert found == sorted(found, key=lambda each: each["time"])
    assert [found[0]["message"], found[-1]["message"]] == ["the run is running", "the run is succeeded"]


def test_attempts_begin_and_end_once_each(finished: Finished, command: Command) -> None:
    found = command("events", finished.first, "-o", "json").document
    flaky = [(each["kind"], each["attempt"], each["status"]) for each in found if each["step"] == "flaky"]
    assert flaky == [
        ("started", 1, "running"),
        ("ended", 1, "failed"),
        ("started", 2, "running"),
        ("ended", 2, "succeeded"),
    ]


def test_a_failed_attempt_says_why_and_whether_it_is_tried_again(finished: Finished, command: Command) -> None:
    shown = command("events", finished.first).out
    assert "ValueError: only once; it is tried again" in shown
    assert command("events", finished.failed).out.splitlines()[-2].endswith(": ValueError: no rows")


def test_a_cached_step_names_where_it_was_computed(finished: Finished, command: Command) -> None:
    assert f"found in the cache; computed by {finished.first}/load/0" in command("events", finished.again).out


def test_events_of_a_run_that_does_not_exist_are_refused(command: Command) -> None:
    assert command("events", "20200101-000000-bbbbb").code == 4
