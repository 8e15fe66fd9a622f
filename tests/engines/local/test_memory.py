"""Memory limits, with real processes: in a control group where this machine lets us, and watched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.engines.local import engine, memory
from fairlead.engines.local.memory import MemoryLimits
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.specs.reports import AttemptReport
from fairlead.worker.cgroups import Groups, own_folder, place_in_version_2

HAS_GROUPS = Groups.here().parent is not None
MODES = [
    pytest.param(True, id="group", marks=pytest.mark.skipif(not HAS_GROUPS, reason="no control group can be made")),
    pytest.param(
        False, id="watched", marks=pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc")
    ),
]
FLOW = """
import os, signal, subprocess, sys, time
from fairlead import flow, runtimes, step

HOG = "x = []\\nwhile True: x.append(bytearray(16 << 20))"

def held(size):
    block = bytearray(size)
    for start in range(0, size, 4096):
        block[start] = 1
    return block

@step(memory="256Mi")
def work() -> int:
    {body}
    return 1

@step(runtime=runtimes.mpi(nodes={nodes}, processes_per_node={each}), memory="256Mi")
def gang() -> int:
    block = held(150 << 20)
    time.sleep(1.5)
    return len(block)

@flow
def alone():
    return work()

@flow
def together():
    return gang()
"""


@pytest.fixture(params=MODES)
def run(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AttemptReport]]:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(engine, "MemoryLimits", lambda **_: MemoryLimits(use_groups=request.param))

    def do(body: str = "", *, flow: str = "alone", nodes: int = 1, each: int = 2) -> AttemptReport:
        file = tmp_path / f"flow_{tmp_path.name.replace('-', '_')}.py"
        file.write_text(FLOW.format(body=textwrap.dedent(body) or "pass", nodes=nodes, each=each))
        project, found = load_flow(str(file), flow)
        finished = launch(project, found, {}, Options(relaxed=True), Silent())
        (only,) = finished.report.steps[0].attempts
        return only

    yield do
    assert not list_groups()


def list_groups() -> list[Path]:
    parent = Groups.here().parent
    return [] if parent is None else list(parent.glob(f"fairlead-{os.getpid()}-*"))


def assert_for_memory(attempt: AttemptReport) -> None:
    assert attempt.error is not None
    assert (attempt.status, attempt.error.type, attempt.signal, attempt.exit_code) == ("failed", "Memory", 9, None)
    assert attempt.error.message == "used more than its memory limit of 256Mi"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("exec(HOG)", id="in the step"),
        pytest.param("subprocess.run([sys.executable, '-c', HOG], check=True)", id="in a subprocess"),
        pytest.param(
            "subprocess.run([sys.executable, '-c', HOG], check=True, start_new_session=True)", id="in another session"
        ),
    ],
)
def test_a_step_that_takes_more_than_its_limit_is_stopped_and_says_so(
    run: Callable[..., AttemptReport], body: str
) -> None:
    assert_for_memory(run(body))


def test_a_step_within_its_limit_succeeds(run: Callable[..., AttemptReport]) -> None:
    assert run("held(180 << 20); time.sleep(1.2)").status == "succeeded"


def test_memory_that_forks_share_counts_once(run: Callable[..., AttemptReport]) -> None:
    fork = "block = held(150 << 20); pid = os.fork(); time.sleep(1.5); pid and os.waitpid(pid, 0)"
    assert run(f"{fork}; pid or os._exit(0)").status == "succeeded"


def test_a_file_that_is_mapped_does_not_count(run: Callable[..., AttemptReport], tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 320 << 20)
    reads = f"import mmap; file = open({str(path)!r}, 'rb'); view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)"
    assert run(f"{reads}; sum(view[each] for each in range(0, len(view), 4096)); time.sleep(1)").status == "succeeded"


def test_another_kill_is_not_taken_for_one_for_memory(run: Callable[..., AttemptReport]) -> None:
    attempt = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert attempt.error is not None
    assert (attempt.error.type, attempt.signal) == ("Signal", 9)


def test_the_ranks_of_a_node_share_the_limit(run: Callable[..., AttemptReport]) -> None:
    assert_for_memory(run(flow="together", nodes=1, each=2))


def test_each_node_has_the_limit(run: Callable[..., AttemptReport]) -> None:
    assert run(flow="together", nodes=2, each=1).status == "succeeded"


def test_a_step_without_a_limit_makes_no_group() -> None:
    limits = MemoryLimits()
    assert limits.admit(1, "node", None) is None
    assert not limits.enforce([1], {1: os.getpid()})
    assert not limits.killed(1)
    limits.forget(1)
    limits.close()


@pytest.mark.skipif(not HAS_GROUPS, reason="no control group can be made")
def test_what_the_attempt_left_in_its_group_is_killed() -> None:
    limits = MemoryLimits()
    group = limits.admit(1, "node", 64 << 20)
    assert group is not None
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as left:
        Path(group, "cgroup.procs").write_text(str(left.pid))
        limits.forget(1)
        assert left.wait(10) == -9
    limits.close()
    assert not Path(group).exists()


@pytest.mark.skipif(not HAS_GROUPS, reason="no control group can be made")
def test_the_groups_of_a_killed_driver_are_removed_at_the_next_start() -> None:
    code = """
        from fairlead.engines.local.memory import MemoryLimits
        import os
        print(MemoryLimits().admit(1, "node", 64 << 20), flush=True)
        os.kill(os.getpid(), 9)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=with_source(), stdout=subprocess.PIPE)
    stale = Path(found.stdout.decode().strip())
    assert stale.is_dir()
    mine = MemoryLimits()
    assert mine.admit(1, "node", 64 << 20) is not None
    assert not stale.exists()
    mine.close()


def test_a_process_that_could_not_join_its_group_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Groups, "here", lambda: Groups(version_2(tmp_path, "memory"), 2))
    limits = MemoryLimits()
    group = limits.admit(1, "node", 32 << 20)
    assert group is not None
    assert Path(group, "memory.max").read_text() == str(32 << 20)
    with subprocess.Popen([sys.executable, "-c", "x = bytearray(64 << 20); import time; time.sleep(600)"]) as process:
        deadline = time.monotonic() + 20
        while not limits.enforce([1], {1: process.pid}) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.wait(10) == -9
    monkeypatch.setattr(memory, "PAUSE_S", 0.0)
    limits.close()


V1 = "35 26 0:30 / {root}/memory rw,nosuid - cgroup cgroup rw,memory\n"
V2 = "36 26 0:31 / {root} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("version", "memberships", "mounts", "folder"),
    [
        (1, "4:memory:/a/b\n0::/\n", V1 + V2, "memory/a/b"),
        (1, "5:cpu,cpuacct:/\n0::/a/b\n", V1 + V2, None),
        (1, "4:memory:/docker/x\n", V1.replace(" / ", " /docker/x "), "memory"),
        (2, "0::/a/b\n", V2, "a/b"),
        (2, "0::/../other\n", V2, None),
        (2, "4:memory:/a\n", V1, None),
        (2, "0::/a/b\n", "", None),
    ],
)
def test_the_own_group_is_found(
    tmp_path: Path, version: int, memberships: str, mounts: str, folder: str | None
) -> None:
    for each in ("memory/a/b", "a/b"):
        (tmp_path / each).mkdir(parents=True, exist_ok=True)
    found = own_folder(memberships, mounts.format(root=tmp_path), version)
    assert found == (None if folder is None else tmp_path / folder)


def test_in_version_2_a_group_is_made_beside_the_own_one_and_never_out_of_its_limit(tmp_path: Path) -> None:
    parent = version_2(tmp_path, "cpu memory")
    own = parent / "scope"
    own.mkdir()
    assert place_in_version_2(own) == parent
    (own / "memory.max").write_text("1073741824\n")
    assert place_in_version_2(own) is None
    (own / "memory.max").write_text("max\n")
    assert place_in_version_2(own) == parent
    (parent / "cgroup.subtree_control").write_text("cpu\n")
    assert place_in_version_2(own) is None


def version_2(folder: Path, controllers: str) -> Path:
    (folder / "cgroup.subtree_control").write_text(controllers)
    (folder / "cgroup.procs").write_text("")
    return folder


def with_source() -> dict[str, str]:
    import fairlead

    return {**os.environ, "PYTHONPATH": str(Path(fairlead.__file__).parents[1])}
