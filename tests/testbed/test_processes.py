"""Processes are told apart from others that were given their id, and stopped with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import processes
from testbed.faults import TestbedError
from testbed.groups import Group
from testbed.processes import Process, Record, boot, start, started, stop, wait_until
from testbed.state import State

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="control groups are made by root")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def record_of(process: subprocess.Popen[bytes]) -> Record:
    return Record(process.pid, started(process.pid) or 0, boot())


def test_a_process_is_alive_until_it_ends_and_not_as_a_zombie(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper)
    assert record.is_alive

    sleeper.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not record.is_alive, 10)
    assert sleeper.returncode is None  # nobody has asked for it: it is a zombie


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_an_id_that_somebody_else_was_given_is_not_ours_and_is_left_alone(
    change: dict[str, object], sleeper: subprocess.Popen[bytes]
) -> None:
    stale = record_of(sleeper)._replace(**change)  # type: ignore[arg-type]  # one field, by its name
    assert not stale.is_alive

    stop([stale])

    assert record_of(sleeper).is_alive


def test_stopping_ends_what_was_recorded(sleeper: subprocess.Popen[bytes]) -> None:
    stop([record_of(sleeper)])
    assert sleeper.wait(1) == -signal.SIGTERM


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group(f"fairlead-test-{os.getpid()}")
    made.make()
    yield made
    wait_until(lambda: not made.kill(), 10)
    assert wait_until(made.remove, 10)


@root_only
def test_a_group_holds_also_those_that_left_their_parent(group: Group, tmp_path: Path) -> None:
    state, ready = State(tmp_path), tmp_path / "ready"
    daemon = f"setsid sleep 60 & touch {ready}"  # the shell ends; the sleeper is nobody's child

    shell = start(Process("shell", ["sh", "-c", f"{daemon}; sleep 60"], ready.exists), state, group)

    assert len(group.members()) == 3
    assert processes.records(state)["shell"].is_alive
    assert wait_until(lambda: not group.kill(), 10)
    assert shell.wait(10) == -signal.SIGKILL


@root_only
@pytest.mark.parametrize(("code", "says"), [("sys.exit('no luck')", "ended with 1"), ("time.sleep(60)", "did not")])
def test_a_process_that_does_not_come_up_is_named_with_its_log(
    code: str, says: str, group: Group, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", f"import sys, time; {code}"]
    with pytest.raises(TestbedError, match=says):
        start(Process("server", command, lambda: False), State(tmp_path), group, timeout_s=1)
