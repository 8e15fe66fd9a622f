"""A process that waits for a task: it does it as one that is started for it would, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from engines.local.driving import wait_for
from worker.pods.running import environment

PARENT = """
    import os, signal, subprocess, sys, time
    from pathlib import Path
    from fairlead.worker.pods.spare import Spare

    with Spare("tasks") as spare:
        print(spare.pid, flush=True)
"""
TASKS = """
    import os, sys, time

    def main(description):
        print("given", description, sys.argv[1], "input", repr(sys.stdin.read()), flush=True)
        print("leads", os.getsid(0) == os.getpid(), file=sys.stderr, flush=True)
        if description == "raises":
            raise ValueError("no such task")
        if description == "sleeps":
            time.sleep(600)
        return 3
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))
    return tmp_path


def started(folder: Path, does: str, output: Path) -> subprocess.Popen[bytes]:
    script = folder / "parent.py"
    script.write_text(textwrap.dedent(PARENT) + textwrap.indent(textwrap.dedent(does), "    "))
    path = os.pathsep.join((environment()["PYTHONPATH"], str(folder)))
    with output.open("wb") as file:
        env = {**environment(), "PYTHONPATH": path}
        return subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=file, env=env)


def lines_of(folder: Path, does: str) -> list[str]:
    output = folder / "output"
    process = started(folder, does, output)
    process.communicate(b"what the parent is told", timeout=60)
    assert process.returncode == 0
    return output.read_text().splitlines()[1:]


def test_it_does_what_it_is_given_and_nothing_of_its_parent_reaches_it(parent: Path) -> None:
    does = 'spare.give(Path("task")); print(spare.stdout.read().decode(), spare.wait())'
    assert lines_of(parent, does) == ["given task task input ''", "leads True", " 3"]


def test_a_task_that_raises_ends_it_and_not_its_parent_twice(parent: Path) -> None:
    does = 'spare.give(Path("raises")); print(spare.stdout.read().decode(), spare.wait())'
    lines = lines_of(parent, does)
    assert lines[-2:] == ["ValueError: no such task", " 1"] and "Traceback (most recent call last):" in lines


def test_its_end_by_a_signal_and_the_end_of_patience_are_those_of_a_process_of_the_library(parent: Path) -> None:
    does = """
        spare.give(Path("sleeps"))
        spare.stdout.readline()
        try:
            spare.wait(0.05)
        except subprocess.TimeoutExpired:
            print("patience", spare.poll())
        os.killpg(spare.pid, signal.SIGTERM)
        print(spare.wait(), spare.poll())
    """
    assert lines_of(parent, does) == ["patience None", "-15 -15"]


def test_it_ends_where_there_is_nothing_for_it_to_do(parent: Path) -> None:
    assert lines_of(parent, "pass") == []
    with started(parent, "time.sleep(600)", parent / "output") as process:
        wait_for(lambda: (parent / "output").read_bytes().endswith(b"\n"))
        spare = int((parent / "output").read_text())
        assert is_there(spare)
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_there(spare))


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_there_is_none_where_a_process_can_not_be_forked(parent: Path) -> None:
    script = parent / "threaded.py"
    script.write_text(
        "import threading, time\n"
        "from fairlead.worker.pods.spare import spared\n"
        "with spared('tasks') as one:\n"
        "    print(one is None)\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "with spared('tasks') as one:\n"
        "    print(one is None)\n"
    )
    path = os.pathsep.join((environment()["PYTHONPATH"], str(parent)))
    env = {**environment(), "PYTHONPATH": path}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "True"]
