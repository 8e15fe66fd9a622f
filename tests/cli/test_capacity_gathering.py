"""fairlead capacity replay and simulate at a terminal: how far they are, and what an interrupt leaves."""

from __future__ import annotations

import argparse
import errno
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fairlead
from fairlead.cli.capacity_gathering import gathered
from fairlead.cli.main import call
from fairlead.runs import capacity
from fairlead.runs.capacity import Inputs, Replayed, averages, read_inputs, replays

NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(
    f"n{each},32000,65536,{each % 3 + 2},T4\n" for each in range(30)
)
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + "".join(
    f"p{each},4000,1024,{each % 2 + 1},{1000 if each % 2 else 500},\n" for each in range(200)
)
REPLAY = ("replay", "--nodes", "nodes.csv", "--workloads", "pods.csv")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nodes.csv").write_text(NODES)
    Path("pods.csv").write_text(PODS)


def at_terminal(*words: str) -> tuple[subprocess.Popen[str], int]:
    """Start a command whose standard error is a terminal; returns it and the other end."""
    ours, its = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(fairlead.__file__).parents[1]),
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "fairlead", "capacity", *words], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=its, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    return process, ours


def written(terminal: int) -> Iterator[str]:
    """Yield all that has been written to a terminal, each time that there is more, until all have closed it."""
    text = ""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError as error:  # how Linux says that it is closed
            assert error.errno == errno.EIO
            more = b""
        if not more:
            return
        text += more.decode(errors="replace")
        yield text


def test_an_interrupt_at_a_terminal_leaves_the_replays_that_are_done_and_nobody_running() -> None:
    process, terminal = at_terminal(*REPLAY, "--policy", "fgd,best-fit", "--seeds", "1:2001", "--processes", "2")
    said, sent = "", 0.0
    for said in written(terminal):
        if not sent and re.search(r"replays.* [1-9]\d*/4000", said):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes of the command
            sent = time.monotonic()
    out, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == 130 and time.monotonic() - sent < 30
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    done = re.search(r"only a part of what was asked for, (\d+) of 4000 replays", said)
    assert done is not None and int(done[1]) >= 1
    head, *rows = out.splitlines()
    assert head.split()[:2] == ["POLICY", "SEEDS"]
    seeds = {policy: int(count) for policy, count, *_ in map(str.split, rows)}
    assert sum(seeds.values()) == int(done[1])
    with pytest.raises(ProcessLookupError):  # Python's own tracker of resources is the last to go
        while time.monotonic() - sent < 60:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


class Interrupted:
    """Is interrupted while it is finalized, where Python drops the exception."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_comes_in_a_finalizer_is_heard_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def results() -> Iterator[int]:
        for number in range(9):
            if number == 2:
                Interrupted()
            yield number

    before = signal.getsignal(signal.SIGINT)
    assert gathered(results(), 9, "replays", argparse.Namespace(output="json")) == ([0, 1, 2], 130)
    assert "3 of 9 replays" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_documents_and_those_without_a_terminal_are_shown_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    process, terminal = at_terminal(*REPLAY, "--policy", "fgd", "--seeds", "1:3", "--processes", "1", "-o", "json")
    assert "".join(written(terminal)) == ""
    assert set(json.loads(process.communicate(timeout=60)[0])) == {"fgd"}
    os.close(terminal)
    assert call(["capacity", *REPLAY, "--policy", "fgd", "--seeds", "1:3", "--processes", "1"]) == 0
    assert capsys.readouterr().err == ""


def test_a_simulation_shows_how_far_it_is_and_takes_it_away() -> None:
    Path("nodes.csv").write_text("name,cpu_milli,memory_mib,gpus,model\nn,8000,1024,2,T4\n")
    Path("jobs.csv").write_text("name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,9,0,0,1\n")
    words = ("simulate", "--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "fgd,best-fit")
    process, terminal = at_terminal(*words)
    *_, said = written(terminal)
    assert "2/2" in said and said.endswith("\x1b[2K")  # the line is cleared at the end
    assert process.communicate(timeout=60)[0].startswith("POLICY") and process.returncode == 0
    os.close(terminal)


def test_an_interrupt_leaves_what_one_process_has_done_with_how_many_seeds_that_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(inputs: Inputs, task: tuple[str, int, float | None]) -> Replayed:
        if task[:2] == ("random", 2):
            raise KeyboardInterrupt
        return replayed(inputs, task)

    replayed = capacity._replayed
    monkeypatch.setattr(capacity, "_replayed", interrupted)
    words = ["capacity", *REPLAY, "--policy", "fgd,random,best-fit", "--seeds", "1:4", "--processes", "1", "-o", "json"]
    assert call([*words, "--plot", "found.svg"]) == 130
    captured = capsys.readouterr()
    assert {name: each["seeds"] for name, each in json.loads(captured.out).items()} == {"fgd": 3, "random": 1}
    assert "4 of 9 replays" in captured.err and "no figure is drawn of a part" in captured.err
    assert not Path("found.svg").exists()


def test_averages_do_not_depend_on_who_was_done_first() -> None:
    inputs = read_inputs(Path("nodes.csv"), Path("pods.csv"))
    found = list(replays(inputs, ["fgd", "random"], range(3), processes=1))
    assert averages(reversed(found), ["fgd", "random"]) == averages(found, ["fgd", "random"])
