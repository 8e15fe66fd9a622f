"""``fairlead logs``: bytes as they are, several logs told apart, and following."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from finished import Command, Finished
from projects import Project

RAW = "loading 3\nraw \udcff\udcfe byte\nno end"


def test_one_log_is_printed_byte_for_byte(finished: Finished, command: Command) -> None:
    assert command("logs", f"{finished.first}/load") == (0, RAW, "")


def test_of_several_logs_each_line_follows_the_step_it_is_of(finished: Finished, command: Command) -> None:
    lines = command("logs", f"{finished.first}/square").out.splitlines()
    assert lines == ["square/0 | squaring 0", "square/1 | squaring 1", "square/2 | squaring 2"]


def test_a_whole_run_is_in_the_order_of_its_steps(finished: Finished, command: Command) -> None:
    titles = [line.partition(" | ")[0] for line in command("logs", finished.first).out.splitlines()]
    assert [title for place, title in enumerate(titles) if title not in titles[:place]] == [
        "load/0", "square/0", "square/1", "square/2", "flaky/0", "flaky/0 attempt 2",
    ]  # fmt: skip


def test_a_last_line_without_an_end_is_ended_before_another_log(finished: Finished, command: Command) -> None:
    assert "load/0 | no end\nsquare/0 | " in command("logs", finished.first).out


def test_one_attempt_is_printed_plainly(finished: Finished, command: Command) -> None:
    assert command("logs", f"{finished.first}/flaky/0", "--attempt", "2").out == "trying\n"


def test_grep_keeps_lines_that_match(finished: Finished, command: Command) -> None:
    assert command("logs", f"{finished.first}/load", "--grep", "^(raw|no)").out == "raw \udcff\udcfe byte\nno end"


def test_tail_begins_at_the_last_lines_of_each_log(finished: Finished, command: Command) -> None:
    assert command("logs", f"{finished.first}/load", "--tail", "2").out == "raw \udcff\udcfe byte\nno end"
    assert command("logs", f"{finished.first}/flaky", "--tail", "1").out.splitlines() == [
        "flaky/0 | ValueError: only once",
        "flaky/0 attempt 2 | trying",
    ]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_lines_are_documents_where_that_is_asked_for(finished: Finished, command: Command, form: str) -> None:
    found = yaml.safe_load(command("logs", f"{finished.first}/load", "-o", form).out)
    about = {"step": "load", "index": 0, "attempt": 1, "rank": None}
    assert found == [about | {"line": line} for line in ("loading 3", r"raw \xff\xfe byte", "no end")]


def test_no_lines_are_an_empty_list(finished: Finished, command: Command) -> None:
    assert command("logs", f"{finished.first}/load", "--grep", "nowhere", "-o", "json").document == []


def test_a_cached_step_says_where_its_log_is(finished: Finished, command: Command) -> None:
    shown = command("logs", f"{finished.again}/load")
    assert (shown.code, shown.out) == (0, "")
    assert shown.err == f"load/0 was found in the cache; what it wrote: fairlead logs {finished.first}/load/0\n"


def test_a_step_that_did_not_run_says_why_it_has_no_log(finished: Finished, command: Command) -> None:
    assert (
        command("logs", f"{finished.failed}/after").err
        == "after/0 is blocked (broken failed), and has written nothing\n"
    )


CASES = {
    "{run}/lod": (4, ["has no step 'lod'", "did you mean 'load'?"]),
    "{run}/square/9": (4, ["has no index 9", "its indices are 0 to 2"]),
    "{run}/flaky/0/1": (4, ["no log of rank 1", "fairlead logs {run}/flaky/0"]),
    "{run}/flaky --attempt 7": (4, ["no log of attempt 7", "attempts that were made: 1, 2"]),
    "{run}/flaky --attempt 0": (2, ["--attempt counts from 1"]),
    "{run} --tail -1": (2, ["--tail takes a number of lines"]),
    "{run} --grep (": (2, ["'(' is no regular expression", "unterminated"]),
    "{run}/square/x": (2, ["'x'", "no index"]),
    "nothing": (4, ["there is no run 'nothing'", "fairlead ps -a"]),
    "20200101-000000-bbbbb": (4, ["there is no run '20200101-000000-bbbbb'"]),
}


@pytest.mark.parametrize("arguments", CASES)
def test_what_is_not_there_is_named(finished: Finished, command: Command, arguments: str) -> None:
    code, parts = CASES[arguments]
    shown = command("logs", *arguments.format(run=finished.first).split())
    assert shown.code == code
    for part in parts:
        assert part.format(run=finished.first) in shown.err
    assert len(shown.err.splitlines()) <= 4


SLOW = """
    import os
    import time
    from fairlead import flow, step

    @step(cache=False, retries=1)
    def tick() -> int:
        for number in range(4):
            print(time.time(), flush=True)
            time.sleep(0.2)
        if os.environ["FAIRLEAD_ATTEMPT"] == "1":
            raise ValueError("again")
        return 1

    @step(cache=False)
    def tock(x: int) -> int:
        print(time.time(), flush=True)
        return x

    @flow
    def clock():
        return tock(tick())
"""


def test_following_shows_new_lines_attempts_and_steps_at_once_and_ends_with_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path, {"flow.py": SLOW})
    program = [sys.executable, "-m", "fairlead"]
    with project.started("run", "flow.py") as driver:
        run = project.wait_for_log()
        follower = subprocess.Popen(
            [*program, "logs", run, "-f"], env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert follower.stdout is not None and follower.stderr is not None
        begun, delays, titles = time.time(), [], []
        for line in follower.stdout:
            title, _, written = line.decode().rstrip().partition(" | ")
            titles.append(title)
            if written.replace(".", "").isdigit() and float(written) > begun + 1:
                delays.append(time.time() - float(written))
        assert follower.wait(10) == 0
        assert driver.wait(10) == 0
        assert list(dict.fromkeys(titles)) == ["tick/0", "tick/0 attempt 2", "tock/0"]
        assert delays and sorted(delays)[len(delays) // 2] < 0.5
        assert follower.stderr.read().decode() == f"run {run} succeeded\n"
        follower.stdout.close()
        follower.stderr.close()
