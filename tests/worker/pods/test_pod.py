"""One instance of a step in a pod: a real process on a real store, and everything that can befall it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.local.driving import wait_for
from fairlead.errors import NotFoundError
from fairlead.runs.finding import Target
from fairlead.runs.handles import Run
from fairlead.runs.logs import Log, select
from fairlead.specs.causes import CAUSES
from fairlead.specs.reports import StepReport
from fairlead.specs.status import SPENT
from fairlead.store.backends import list_all
from fairlead.store.layout import Task, attempt_key, evidence_key, metrics_key, run_prefix
from fairlead.store.records import AttemptRecord, Evidence, decode, encode
from worker.pods import flows
from worker.pods.running import PodLaunch, PodRun, environment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "project" / "pod_flows.py"
    copy.parent.mkdir()
    shutil.copyfile(flows.__file__, copy)
    (copy.parent / "where_module.py").write_text("")
    return copy


def step_of(run: PodRun, name: str) -> StepReport:
    return next(each for each in run.ended().report.steps if each.name == name)


def record_of(run: PodRun, name: str, number: int = 1) -> AttemptRecord | None:
    key = attempt_key(run.spec.run, Task(name, 0, number))
    try:
        return decode(run.store.backend.get(key), AttemptRecord, key=key)
    except NotFoundError:
        return None


def keys(run: PodRun, folder: str) -> list[str]:
    prefix = run_prefix(run.spec.run) + folder
    return [entry.key.removeprefix(prefix) for entry in list_all(run.store.backend, prefix)]


def log_of(run: PodRun, name: str, number: int = 1) -> bytes:
    return b"".join(Log(run.store, run.spec.run, Task(name, 0, number)).blocks())


# How attempts end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "error", "said"),
    [
        ("segfault", SPENT, "Signal", "signal 11 (SIGSEGV): a fault in compiled code"),
        ("kill", SPENT, "Signal", "signal 9 (SIGKILL)"),
        ("os._exit", SPENT, "Exit", "exit code 0 before the step returned"),
        ("child", 0, None, ""),
    ],
)
def test_an_end_is_recorded_by_the_pod_with_the_last_words_and_metrics(
    launch: PodLaunch, file: Path, how: str, code: int, error: str | None, said: str
) -> None:
    run = launch.submit(file, "ends", {"how": how})
    assert run.pod().attempt() == code
    record = record_of(run, "end")
    assert record is not None
    assert record.outcome.metrics["loss"].last == 1.5
    assert record.peak_memory_bytes is not None and 10 << 20 < record.peak_memory_bytes < 1 << 30
    assert record.cpu_s is not None and 0 < record.cpu_s < 60
    assert log_of(run, "end").startswith(b"about to end by")
    if error is not None:
        assert record.error is not None
        assert (record.status, record.error.type, record.infrastructure) == ("failed", error, False)
        assert said in record.error.message
        assert "about to end by" in record.error.traceback


def test_a_pod_whose_instance_is_done_does_nothing_again(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "ends", {})
    assert [run.pod().attempt(), run.pod().attempt()] == [0, 0]
    assert keys(run, "starts/") == ["end.0.1"]


def test_a_lost_pod_is_recorded_by_the_next_and_charged_to_the_infrastructure(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "lost", {"times": 2})
    run.pod().run()
    assert run.pod().codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    records = [record_of(run, "lose_pod", number) for number in (1, 2, 3)]
    assert [each and (each.status, each.infrastructure, each.retry) for each in records] == [
        ("lost", True, True), ("lost", True, True), ("succeeded", False, False),
    ]  # fmt: skip
    run.finish()
    assert run.ended().report.status == "succeeded"


@pytest.mark.parametrize(
    ("cause", "code", "expected"),
    [("Memory", SPENT, ("failed", False, False)), ("Evicted", 0, ("failed", True, True))],
)
def test_a_lost_pod_that_somebody_saw_is_charged_to_whom_it_is_due(
    launch: PodLaunch, file: Path, cause: str, code: int, expected: tuple[str, bool, bool]
) -> None:
    run = launch.submit(file, "lost", {"times": 1})
    assert run.pod().attempt(env=environment() | {"FAIRLEAD_POD": "p", "FAIRLEAD_POD_UID": "u1"}) == -signal.SIGKILL
    seen = Evidence(
        step="lose_pod", index=0, pod="p", uid="u1", transition="ended", time=1.0, cause=cause, message="it was seen",
        infrastructure=CAUSES[cause],
    )  # fmt: skip
    run.store.backend.create(evidence_key(run.spec.run, "u1", "ended"), encode(seen))
    assert run.pod().attempt() == code
    record = record_of(run, "lose_pod")
    assert record is not None and record.error is not None
    assert (record.status, record.infrastructure, record.retry) == expected
    assert (record.error.type, record.error.message, record.pod_uid) == (cause, "it was seen", "u1")
    run.finish()
    assert run.ended().report.status == ("failed" if code else "succeeded")


def test_lost_pods_end_with_their_budget(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "lost", {"times": 9})
    codes = [run.pod().attempt() for _ in range(4)]
    assert codes == [-signal.SIGKILL] * 3 + [SPENT]
    assert keys(run, "starts/") == ["lose_pod.0.1", "lose_pod.0.2", "lose_pod.0.3"]
    run.finish()
    assert (run.ended().report.status, step_of(run, "lose_pod").status) == ("failed", "failed")


@pytest.mark.parametrize("all_at_once", [False, True])
def test_an_eviction_is_recorded_as_such_until_its_budget_is_spent(
    launch: PodLaunch, file: Path, tmp_path: Path, all_at_once: bool
) -> None:
    """Argo signals the first process of a container, or all of them, the step's too, in one go."""
    mark = tmp_path / "mark"
    run = launch.submit(file, "waiting", {"path": str(mark)})
    with run.pod().started() as process:
        wait_for(mark.exists)
        for child in _children(process.pid) if all_at_once else ():
            os.kill(child, signal.SIGTERM)
        process.terminate()
        assert process.wait(60) == 1
    record = record_of(run, "wait")
    assert record is not None and record.error is not None
    assert (record.status, record.infrastructure, record.retry) == ("failed", True, True)
    assert (record.error.type, record.outcome.metrics["loss"].last) == ("Evicted", 0.5)
    assert run.pod().attempt() == 0


def _children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_pod_that_is_asked_to_end_before_its_step_begins_ends(launch: PodLaunch, file: Path, tmp_path: Path) -> None:
    run = launch.submit(file, "waiting", {"path": str(tmp_path / "mark")})
    with run.pod().started() as process:
        wait_for(lambda: keys(run, "starts/"))
        process.terminate()
        assert process.wait(60) == 1
    assert run.pod().attempt() == 0


def test_a_result_that_the_store_does_not_take_is_charged_to_the_infrastructure(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "unstored", {"place": str(launch.home)})
    assert run.pod().attempt() == 1
    record = record_of(run, "break_store")
    assert record is not None and record.error is not None
    assert (record.status, record.infrastructure, record.retry) == ("failed", True, True)
    assert record.error.type == "StoreError"
    assert "the result of step 'break_store' can't be stored" in record.error.message
    assert f"where  store {launch.home}" in record.error.message
    objects = launch.home / "objects"
    objects.unlink()
    objects.with_name("objects.away").rename(objects)
    assert run.pod().attempt() == 0


def test_a_record_that_the_store_does_not_take_is_made_by_the_pod_itself(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "unstored", {"place": str(launch.home), "mends": True})
    assert run.pod().attempt() == 1
    record = record_of(run, "break_store")
    assert record is not None and record.error is not None
    assert (record.status, record.infrastructure, record.retry) == ("failed", True, True)
    assert record.error.type == "StoreError"
    assert "cannot write" in record.error.message and "attempts/break_store.0.1" in record.error.message
    assert run.pod().attempt() == 0
    run.finish()
    assert run.ended().report.status == "succeeded"


# What outlives a pod ---------------------------------------------------------------------------


def test_checkpoints_outlive_the_pod_and_the_newest_two_stay(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "trained", {})
    run.pod().run()
    assert run.pod().codes == [-signal.SIGKILL, 0]
    run.finish()
    outcome = launch.store.values.load(step_of(run, "train").artifacts[0])
    assert outcome == "000000000010 ['deep', 'deep/empty', 'deep/weights', 'newest'] weights of 10"
    names = {each.split("/")[1] for each in keys(run, "checkpoints/")}
    assert names == {f"{at:012}-0001{end}" for at in (9, 10) for end in ("", ".complete")}


def test_log_and_metrics_are_in_the_store_while_the_step_runs(launch: PodLaunch, file: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    run = launch.submit(file, "waiting", {"path": str(mark)})
    name = Task("wait", 0, 1)
    with run.pod().started() as process:
        wait_for(mark.exists)
        wait_for(lambda: metrics_key(run.spec.run, name).rpartition("/")[2] in keys(run, "metrics/"), patience_s=30)
        wait_for(lambda: keys(run, "logs/"), patience_s=30)
        assert keys(run, "logs/") == [f"{name}.s{0:014}"]
        (followed,) = select(run.store, Target(run.spec.run, None, None, None)).logs
        assert (followed.task, followed.size(), followed.read(3, 100)) == (name, 8, b"runs\n")
        process.kill()
    assert run.pod().attempt() == 0
    run.finish()
    assert keys(run, "logs/") == ["wait.0.1", "wait.0.2"]
    assert log_of(run, "wait") == b"it runs\n"


def test_a_large_log_is_complete_and_takes_no_memory(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "verbose", {"mib": 100})
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))}
    assert run.pod().attempt(**limit) == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before < 200 << 10
    (entry,) = list_all(run.store.backend, run_prefix(run.spec.run) + "logs/")
    assert entry.size == 100 << 20
    assert run.store.backend.get(entry.key, entry.size - 1024) == b"\xff" + b"x" * 1022 + b"\n"


# What others wait for --------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "taken"), [(0.9, ("true", "false")), (0.1, ("false", "true"))])
def test_facts_say_which_branch_runs_and_how_long_lists_are(
    launch: PodLaunch, file: Path, score: float, taken: tuple[str, str]
) -> None:
    run = launch.submit(file, "decided", {"score": score})
    run.pod(0).run()
    counted = {"count-0": "3", "items-0": '["0","1","2"]', "maps-0": "true"}
    assert run.pod(0).facts == {"when-0": taken[0], "when-1": taken[1], **counted}
    skipped = 1 if taken[0] == "false" else 2
    assert run.pod(skipped).attempt() == 0  # started all the same: it knows better
    assert not [each for each in keys(run, "starts/") if each.startswith(("bad", "good"))]
    assert b"is skipped: its condition is false" in run.pod(skipped).output
    run.pod(0).run()
    assert run.pod(0).facts["count-0"] == "3"  # a pod that finds everything done says the same


def test_a_pod_whose_step_failed_for_good_says_that_nothing_runs_that_waits_for_it_alone_and_may_end_well(
    launch: PodLaunch, file: Path
) -> None:
    run = launch.submit(file, "decided", {"score": -1.0})
    run.pod(0).more = ("--spent=0",)
    assert run.pod(0).attempt() == 0
    record = record_of(run, "scored")
    assert record is not None and (record.status, record.retry) == ("failed", False)
    assert run.pod(0).facts == {
        "when-0": "false", "when-1": "false", "count-0": "0", "items-0": "[]", "maps-0": "false"
    }  # fmt: skip


# Where a pod runs ------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="fairlead-pods-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


AS_NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",  # whatever folder the interpreter lies in
)  # fmt: skip


def may_change_user() -> bool:
    try:
        return subprocess.run([*AS_NOBODY, sys.executable, "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


as_nobody = pytest.mark.skipif(not may_change_user(), reason="takes root, and setpriv of util-linux")


def writable_by_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))


@as_nobody
def test_a_pod_runs_as_any_user_with_its_package_read_only(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(open_folder / "home"))
    project = open_folder / "project"
    project.mkdir()
    shutil.copyfile(flows.__file__, project / "pod_flows.py")
    (project / "where_module.py").write_text("")
    delivered = open_folder / "fairlead"
    shutil.copytree(Path(environment()["PYTHONPATH"]), delivered, ignore=shutil.ignore_patterns("__pycache__"))
    launch = PodLaunch(open_folder)
    run = launch.submit(project / "pod_flows.py", "placed", {})
    shutil.rmtree(project)  # a pod has what was packed, and nothing else
    writable_by_all(launch.home)
    own = environment() | {"PYTHONPATH": str(delivered), "HOME": "/tmp"}
    assert run.pod().attempt(before=AS_NOBODY, env=own) == 0, run.pod().output
    run.finish()
    found: Any = launch.store.values.load(step_of(run, "where").artifacts[0])
    assert found[:2] == ["65534", "/tmp"]
    assert found[2].startswith(str(open_folder / "pods"))
    assert not list(delivered.rglob("__pycache__"))


@as_nobody
def test_a_store_that_refuses_leaves_half_of_nothing(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(open_folder / "home"))
    project = open_folder / "project"
    project.mkdir()
    shutil.copyfile(flows.__file__, project / "pod_flows.py")
    launch = PodLaunch(open_folder)
    run = launch.submit(project / "pod_flows.py", "ends", {})
    before = sorted(map(str, launch.home.rglob("*")))
    assert run.pod().attempt(before=AS_NOBODY) == 1
    assert b"fairlead: cannot write" in run.pod().output
    assert sorted(map(str, launch.home.rglob("*"))) == before
    assert run.pod().attempt() == 0


def test_a_container_step_runs_its_command_in_the_pod(launch: PodLaunch, file: Path) -> None:
    run = launch.submit(file, "contained", {"text": "loud"})
    run.run()
    ended = run.ended()
    assert Run(run.store, ended.report.run, ended.report).result() == "LOUD"
