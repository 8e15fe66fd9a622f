"""What the local engine promises when processes are killed, disks are full and steps misbehave."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from engines.local.driving import (
    Bench,
    Driver,
    driver,
    marked,
    steps_of,
    template_of,
    wait_for,
    wait_for_no_process,
)
from fairlead.cli.main import call
from fairlead.runs.handles import Run
from fairlead.runs.logs import Log, list_tasks
from fairlead.runs.reporting import read_report
from fairlead.runs.timeline import read_timeline
from fairlead.store.catalog import latest_by_run
from fairlead.store.checking import check
from fairlead.store.layout import Task, metrics_key, object_key

LENGTH = 30
MOMENTS = 16
CORES = len(os.sched_getaffinity(0))


# The driver is killed


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_a_killed_driver_loses_nothing(bench: Bench, seed: int) -> None:
    kill_and_resume(bench, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(MOMENTS, MOMENTS + 100))
def test_a_killed_driver_loses_nothing_at_many_moments(bench: Bench, seed: int) -> None:
    kill_and_resume(bench, seed)


def kill_and_resume(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    with bench.drive("chain", length=LENGTH) as started:
        run = started.run
        bench.wait_for_executed(chance.randrange(2 * LENGTH + 1), started)
        time.sleep(chance.uniform(0, 0.02))
        started.kill()
        wait_for_no_process(started.mark)
    before = completed(bench, run)
    noted = Counter(bench.executed())
    ended = bench.resume(run)
    assert (ended.report.status, ended.exit_code) == ("succeeded", 0)
    assert Run(bench.store, run, ended.report).result() == LENGTH
    counts = Counter(bench.executed())
    assert all(counts[f"begin {number}"] == noted[f"begin {number}"] == 1 for number in before)
    again = {number for number in range(LENGTH) if counts[f"begin {number}"] != 1}
    assert len(again) <= 1 and all(counts[f"begin {number}"] == 2 for number in again)
    for number in range(LENGTH):
        log = log_of(bench, run, "link", number)
        for word in ("begin", "end"):  # printed and flushed before it was noted
            assert log.count(f"{word} {number}".encode()) >= counts[f"{word} {number}"], (log, bench.executed())


def completed(bench: Bench, run: str, step: str = "link") -> set[int]:
    return {each.index for each in steps_of(bench.store, run, step) if each.status == "succeeded"}


def log_of(bench: Bench, run: str, step: str, index: int) -> bytes:
    """Return what all attempts of a step have written."""
    tasks = sorted(task for task in list_tasks(bench.store, run) if task[:2] == (step, index))
    logs = [Log(bench.store, run, task) for task in tasks]
    return b"".join(log.read(0, log.size()) for log in logs)


def test_an_attempt_that_died_with_the_driver_is_told_from_the_next(bench: Bench) -> None:
    with bench.drive("held") as started:
        run = started.run
        bench.wait_for_executed(1, started)
        started.kill()
        wait_for_no_process(started.mark)
    assert read_report(bench.store.backend, run).status == "lost"
    bench.go()
    (attempts,) = (each.attempts for each in bench.resume(run).report.steps)
    assert [(each.number, each.status) for each in attempts] == [(1, "lost"), (2, "succeeded")]
    assert attempts[0].error is not None and attempts[0].error.type == "Lost"


def test_a_killed_driver_leaves_no_process(bench: Bench) -> None:
    with bench.drive("working") as started:
        bench.wait_for_executed(1, started)
        started.kill()
        wait_for_no_process(started.mark)


def test_a_killed_template_costs_the_steps_in_flight_an_attempt(bench: Bench) -> None:
    with bench.drive("held", count=2) as started:
        run = started.run
        bench.wait_for_executed(2, started)
        in_flight = set(marked(started.mark)) - {started.process.pid}
        os.kill(template_of(started), 9)
        wait_for(lambda: not in_flight & set(marked(started.mark)))  # else one may end well before it is killed
        bench.go()
        ended = started.ended()
        assert (ended.report.status, ended.exit_code) == ("succeeded", 0)
        for step in ended.report.steps:
            first, second = step.attempts
            assert (first.status, second.status) == ("failed", "succeeded")
            assert first.error is not None and first.error.type == "Lost"
        assert ended.report.run == run
        assert not marked(started.mark)


def test_a_killed_template_leaves_no_process_of_a_step(bench: Bench) -> None:
    with bench.drive("working") as started:
        bench.wait_for_executed(1, started)
        before = set(marked(started.mark)) - {started.process.pid}
        os.kill(template_of(started), 9)
        wait_for(lambda: not before & set(marked(started.mark)))


def test_killing_driver_and_template_leaves_no_process(bench: Bench) -> None:
    with bench.drive("working") as started:
        bench.wait_for_executed(1, started)
        template = template_of(started)
        os.kill(started.process.pid, 9)
        os.kill(template, 9)
        wait_for_no_process(started.mark)


def test_a_second_driver_is_refused(bench: Bench, capsys) -> None:
    with bench.drive("held") as started:
        run = started.run
        bench.wait_for_executed(1, started)
        assert call(["resume", run]) == 3
        said = capsys.readouterr().err
        assert "is driven by another process" in said and str(started.process.pid) in said
        bench.go()
        assert started.ended().exit_code == 0
    assert bench.executed() == ["begin 0"]


# Interrupts


def test_the_first_interrupt_cancels_and_says_how_to_resume(bench: Bench) -> None:
    with bench.drive("held") as started:
        bench.wait_for_executed(1, started)
        started.interrupt()
        code, out, err = started.output()
        assert code == 130
        assert f"fairlead resume {started.run}".encode() in err
        assert b'"status": "cancelled"' in out
        wait_for_no_process(started.mark)
    bench.go()
    assert bench.resume(started.run).exit_code == 0


def test_the_second_interrupt_kills(bench: Bench) -> None:
    with bench.drive("unwilling") as started:
        bench.wait_for_executed(1, started)
        started.interrupt()
        assert started.process.stderr is not None
        assert b"fairlead resume" in started.process.stderr.readline()
        begun = time.monotonic()
        started.interrupt()
        code, out, _ = started.output()
        assert time.monotonic() - begun < 3  # the step would have had 5 s to end by itself
        assert code == 130
        assert b'"signal": 9' in out
        wait_for_no_process(started.mark)


def test_interrupts_while_the_project_is_imported_end_the_run(bench: Bench) -> None:
    source = bench.file.read_text()
    slow = "import os\nimport time\n\nwhile os.getppid() != int(os.environ['TEST_PID']):\n    time.sleep(0.02)\n"
    bench.file.write_text(source.replace("import os\n", slow, 1))
    with driver(bench.home, "run", f"{bench.file}:held", "--no-cache", env={"TEST_PID": str(os.getpid())}) as started:
        run = started.run
        wait_for(lambda: read_report(bench.store.backend, run).status == "running")
        template_of(started)
        started.interrupt()
        started.interrupt()
        assert started.process.wait(20) == 130
        wait_for_no_process(started.mark)


# Steps that misbehave


def test_a_timeout_ends_all_that_a_step_has_started(bench: Bench) -> None:
    with bench.drive("grandchildren") as started:
        ended = started.ended()
        assert ended.exit_code == 1
        (attempt,) = ended.report.steps[0].attempts
        assert attempt.error is not None and attempt.error.type == "Timeout"
        assert not marked(started.mark)


def test_a_daemon_that_a_step_leaves_behind_ends_with_the_run(bench: Bench) -> None:
    with bench.drive("leaves_daemon") as started:
        assert started.ended().exit_code == 0
        assert not marked(started.mark)


def test_a_runaway_thread_does_not_hold_a_step(bench: Bench) -> None:
    assert bench.run("threads").exit_code == 0


def test_a_segfault_names_the_users_line(bench: Bench) -> None:
    bench.file.write_text(
        "import ctypes\nfrom fairlead import flow, step\n\n"
        "@step\ndef crash() -> int:\n    print('soon')\n    return ctypes.string_at(0)\n\n"
        "@flow\ndef main():\n    return crash()\n"
    )
    (attempt,) = bench.run("main").report.steps[0].attempts
    assert attempt.signal == 11
    assert attempt.error is not None
    assert attempt.error.frames[0] == f"{bench.file}:7 in crash"
    assert attempt.error.line == "soon"


def test_much_output_takes_no_memory_of_the_driver(bench: Bench) -> None:
    megabytes, peak = 200, 0
    with bench.drive("flooding", megabytes=megabytes) as started:
        while started.process.poll() is None:
            peak = max(peak, peak_memory_kib(started) or 0)
            time.sleep(0.01)
        assert started.ended().exit_code == 0
        log = Log(bench.store, started.run, next(iter(list_tasks(bench.store, started.run))))
        assert log.size() == megabytes * 1_000_000
    assert 0 < peak < 120 << 10


def test_much_that_is_logged_takes_no_memory_and_is_all_kept(bench: Bench) -> None:
    with bench.drive("chatty") as started:
        bench.wait_for_executed(1, started)
        before = peak_memory_kib(started) or 0
        bench.wait_for_executed(2, started)
        lines = logged_lines(bench, started.run)
        assert len(lines) == 60_000
        assert json.loads(lines[-1])["at"] == 59_999
        # 2,000 lines were there before; the others would take 500 bytes each
        assert (peak_memory_kib(started) or 0) - before < 6 << 10
        bench.go()
        ended = started.ended()
        assert Run(bench.store, ended.report.run, ended.report).result() < 6 << 10
        assert ended.report.steps[0].metrics == {"loss": 1.0, "accuracy": 0.5}


@pytest.mark.parametrize("killed", ["step", "driver"])
def test_what_was_logged_before_a_kill_is_kept(bench: Bench, killed: str) -> None:
    with bench.drive("chatty", lines=3000, end="killed") as started:
        bench.wait_for_executed(2, started)
        run = started.run
        if killed == "driver":
            started.kill()
        else:
            bench.go()
            report = started.ended().report
            assert report.steps[0].attempts[0].signal == 9
            assert report.steps[0].metrics == {"loss": 1.0, "accuracy": 0.5}
        wait_for_no_process(started.mark)
    assert len(logged_lines(bench, run)) == 3000


def logged_lines(bench: Bench, run: str) -> list[bytes]:
    return bench.store.backend.get(metrics_key(run, Task("chat", 0, 1))).splitlines()


def peak_memory_kib(started: Driver) -> int | None:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{started.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return None


def test_standard_input_is_empty(bench: Bench) -> None:
    ended = bench.run("reading")
    assert Run(bench.store, ended.report.run, ended.report).result() == "''"


# Disks and artifacts


@pytest.fixture
def small_disk(tmp_path: Path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)):
        pytest.skip("mounting a tmpfs takes rights that this process has not")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(*arguments: str) -> int:
    with suppress(FileNotFoundError):
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
    return 127


def test_a_full_disk_fails_the_run_and_harms_nothing(bench: Bench, small_disk: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(small_disk))
    bench.launch.__init__(small_disk, capsys)
    ended = bench.run("growing")
    assert (ended.report.status, ended.exit_code) == ("failed", 1)
    noted = Counter(bench.executed())
    run = ended.report.run
    assert mount("-o", "remount,size=64m", str(small_disk)) == 0
    assert (kept := completed(bench, run, "grow"))
    resumed = bench.resume(run)
    assert resumed.exit_code == 0
    assert Run(bench.store, run, resumed.report).result() == [3 << 20] * 6
    counts = Counter(bench.executed())
    assert all(counts[f"begin {number}"] == noted[f"begin {number}"] == 1 for number in kept)


def test_a_read_only_store_is_refused_before_anything_runs(bench: Bench, small_disk: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(small_disk))
    assert mount("-o", "remount,ro", str(small_disk)) == 0
    assert call(["run", f"{bench.file}:many", "-o", "json"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "read-only" in said.lower()
    assert not bench.executed()


def test_a_store_that_turns_read_only_fails_the_run_and_harms_nothing(
    bench: Bench, small_disk: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(small_disk))
    bench.launch.__init__(small_disk, capsys)
    ended = bench.run("turning")
    assert (ended.report.status, ended.exit_code) == ("failed", 1)
    assert "read-only" in (ended.report.reason or "").lower() and "fairlead resume" in (ended.report.reason or "")
    assert mount("-o", "remount,rw", str(small_disk)) == 0
    run = ended.report.run
    assert completed(bench, run, "wide") == {0}
    bench.go()
    resumed = bench.resume(run)
    assert (resumed.exit_code, Run(bench.store, run, resumed.report).result()) == (0, 2)
    assert Counter(bench.executed()) == {"begin 1": 1, "turn 1": 2, "begin 2": 1}
    assert not check(bench.store).faults


@pytest.mark.parametrize("harm", ["deleted", "shortened", "corrupted"])
def test_a_damaged_artifact_is_made_again_on_resume(bench: Bench, harm: str) -> None:
    ended = bench.run("gated")
    digest = next(each.artifact for each in ended.report.steps if each.name == "make")
    assert digest is not None
    path = bench.home / object_key(digest)
    data = path.read_bytes()
    path.unlink()
    if harm != "deleted":
        path.write_bytes(data[:-1] if harm == "shortened" else bytes([data[0] ^ 1]) + data[1:])
    bench.go()
    resumed = bench.resume(ended.report.run)
    assert resumed.exit_code == 0
    assert Run(bench.store, ended.report.run, resumed.report).result() == {"number": 7}
    assert Counter(bench.executed())["make 7"] == 2


@pytest.mark.parametrize("harm", ["deleted", "corrupted"])
@pytest.mark.parametrize("users", [1, 5])
def test_a_value_that_is_found_damaged_is_made_again_within_the_run(bench: Bench, harm: str, users: int) -> None:
    ended = bench.run("harmed", how=harm, users=users)
    assert ended.exit_code == 0
    assert Run(bench.store, ended.report.run, ended.report).result() == [7] * users
    assert Counter(bench.executed()) == {"make 7": 2, 'harm {"number":7}': 1, "use 7": users}
    statuses = {each.name: [attempt.status for attempt in each.attempts] for each in ended.report.steps}
    assert statuses["make"] == ["succeeded", "succeeded"]
    assert statuses["use"][-1] == "succeeded"
    (superseded,) = (each for each in read_timeline(bench.store.backend, ended.report.run) if each.kind == "superseded")
    assert superseded.step == "make" and "is damaged" in (superseded.message or "")
    (error,) = {each.attempts[0].error.type for each in ended.report.steps if each.attempts[0].error is not None}
    assert error == "DamagedError"


def test_a_damaged_value_from_the_cache_is_made_again(bench: Bench) -> None:
    file = bench.file
    first = bench.launch(file, "harmed", {"how": "kept"}, use_cache=True)
    assert first.exit_code == 0
    ended = bench.launch(file, "harmed", {}, use_cache=True)
    assert ended.exit_code == 0
    assert Counter(bench.executed())["make 7"] == 2
    assert [each.status for each in ended.report.steps if each.name == "make"] == ["succeeded"]


def test_an_item_of_a_list_is_made_again(bench: Bench) -> None:
    ended = bench.run("harmed_item")
    assert Run(bench.store, ended.report.run, ended.report).result() == [0, 1, 2]
    assert Counter(bench.executed())["make many"] == 2
    assert Counter(bench.executed())["use 1"] == 1


def test_what_a_damaged_value_is_made_from_is_made_again_first(bench: Bench) -> None:
    ended = bench.run("harmed_chain")
    assert Run(bench.store, ended.report.run, ended.report).result() == [7, 7]
    counts = Counter(bench.executed())
    assert (counts["make 7"], counts["give back 7"], counts["use 7"]) == (2, 2, 2)


def test_a_dynamic_flow_goes_on_where_a_call_made_its_value_again(bench: Bench) -> None:
    ended = bench.run("harmed_loop")
    assert (ended.report.status, Run(bench.store, ended.report.run, ended.report).result()) == ("succeeded", 15)


def test_trials_whose_input_is_damaged_do_not_count_as_failed(bench: Bench) -> None:
    pytest.importorskip("optuna")
    ended = bench.run("harmed_sweep")
    assert Run(bench.store, ended.report.run, ended.report).result() == [7, 3]
    assert Counter(bench.executed())["make 7"] == 2


def test_a_damaged_value_that_no_step_makes_fails_the_step_and_says_so(bench: Bench) -> None:
    ended = bench.run("harmed_constant")
    assert ended.exit_code == 1
    (error,) = [each.attempts[-1].error for each in ended.report.steps if each.status == "failed"]
    assert error is not None and "no step of this run makes it again" in error.message


# Projects that can't be forked


def test_a_project_that_starts_threads_gets_fresh_processes(bench: Bench) -> None:
    extend(bench, "threading.Thread(target=time.sleep, args=(FOREVER_S,), daemon=True).start()\n")
    ended = bench.run("held", count=0)
    assert ended.exit_code == 0
    ended = bench.run("chain", length=5)
    assert ended.exit_code == 0
    assert len(bench.executed()) == 10


def test_a_project_that_imports_jax_gets_fresh_processes(bench: Bench) -> None:
    pytest.importorskip("jax")
    extend(
        bench,
        "import jax\n\n@step\ndef compute(number: int) -> int:\n"
        "    return int(jax.numpy.arange(number).sum())\n\n@flow\ndef computed():\n    return compute.map([3, 4])\n",
    )
    ended = bench.run("computed")
    assert Run(bench.store, ended.report.run, ended.report).result() == [3, 6]


def extend(bench: Bench, text: str) -> None:
    bench.file.write_text(bench.file.read_text() + "\n\n" + text)


# Room


@pytest.mark.parametrize("bound", ["cpu", "memory"])
def test_steps_run_in_parallel_as_far_as_they_fit(bench: Bench, bound: str) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    declared = {"cpu": str(CORES)} if bound == "cpu" else {"cpu": "10m", "memory": str(int(memory * 0.6))}
    assert bench.run("bounded", **declared).exit_code == 0
    assert most_at_once(bench) == 1


@pytest.mark.skipif(CORES < 2, reason="nothing runs in parallel on one core")
def test_steps_run_in_parallel(bench: Bench) -> None:
    assert bench.run("bounded", cpu=f"{1000 * CORES // 2}m").exit_code == 0
    assert most_at_once(bench) == 2


def most_at_once(bench: Bench) -> int:
    running, most = 0, 0
    for line in bench.executed():
        running += 1 if line.startswith("begin") else -1
        most = max(most, running)
    return most


def test_a_step_that_never_fits_is_refused_before_anything_starts(bench: Bench, capsys) -> None:
    assert call(["run", f"{bench.file}:impossible", "-o", "json"]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "100000" in printed.err and "this machine has" in printed.err and "--relax" in printed.err
    assert not bench.executed() and not latest_by_run(bench.store.backend)


def test_many_steps_at_once(bench: Bench) -> None:
    ended = bench.run("many", count=500)
    assert Run(bench.store, ended.report.run, ended.report).result() == list(range(500))
    assert sorted(bench.executed()) == sorted(f"begin {number}" for number in range(500))
