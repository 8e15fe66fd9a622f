"""``fairlead ps``: which runs are listed, and comparing them by a metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished import Command, Finished


def listed(command: Command, *arguments: str) -> list[str]:
    return [each["run"] for each in command("ps", "-o", "json", *arguments).document]


def test_all_runs_are_listed_newest_first(finished: Finished, command: Command) -> None:
    assert listed(command, "-a") == [finished.failed, finished.again, finished.first]


def test_without_all_ended_runs_are_left_out_and_it_is_said(command: Command) -> None:
    shown = command("ps")
    assert (shown.code, len(shown.out.splitlines())) == (0, 1)
    assert "fairlead ps -a" in shown.err


def test_filters_narrow_the_list(finished: Finished, command: Command) -> None:
    assert listed(command, "-a", "--flow", "good") == [finished.again, finished.first]
    assert listed(command, "--status", "failed") == [finished.failed]
    assert listed(command, "-a", "--label", "try=1") == [finished.first]
    assert listed(command, "-a", "--limit", "1") == [finished.failed]
    assert listed(command, "-a", "--since", "1d") == [finished.failed, finished.again, finished.first]
    assert listed(command, "-a", "--since", "2999-01-01") == []


def test_a_document_is_the_run_without_its_steps(finished: Finished, command: Command) -> None:
    whole = command("get", finished.first, "-o", "json").document
    del whole["steps"]
    assert command("ps", "-o", "json", "-a", "--label", "try=1").document == [whole]


def test_the_table_has_a_line_for_each_run(finished: Finished, command: Command) -> None:
    head, *rows = command("ps", "-a").out.splitlines()
    assert head.split() == ["RUN", "FLOW", "STATUS", "STARTED", "TIME", "PARAMS", "METRICS"]
    assert [row.split()[0] for row in rows] == [finished.failed, finished.again, finished.first]
    assert "accuracy 0.3" in rows[1]


def test_runs_are_compared_by_a_metric(finished: Finished, command: Command) -> None:
    found = command("ps", "--metric", "accuracy", "--sort", "-o", "json").document
    assert {each["run"]: each["last"] for each in found} == {finished.first: 0.3, finished.again: 0.3}
    assert found[0]["step"] == "flaky"
    assert "ACCURACY" in command("ps", "--metric", "accuracy", "--sort", "min", "--reverse").out


def test_an_unknown_metric_is_no_error(command: Command) -> None:
    shown = command("ps", "--metric", "accurcy")
    assert (shown.code, shown.err) == (0, "no run has logged 'accurcy'\n")


CASES = {
    "--status done": ["no run has the status 'done'", "known: cancelled, failed"],
    "--since soon": ["--since takes a time ago or a date, got 'soon'", "2h"],
    "--limit 0": ["--limit takes a number from 1, got 0"],
    "--label a": ["--label takes KEY=VALUE, got 'a'"],
    "--sort": ["--sort goes with --metric"],
}


@pytest.mark.parametrize("arguments", CASES)
def test_wrong_use_is_explained(command: Command, arguments: str) -> None:
    shown = command("ps", *arguments.split())
    assert shown.code == 2
    for part in CASES[arguments]:
        assert part in shown.err


def test_a_new_home_has_no_runs(command: Command, tmp_path: Path) -> None:
    assert command("ps", "-a", "-o", "json", home=tmp_path / "new").document == []
