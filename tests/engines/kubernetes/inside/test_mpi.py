"""Ranks that a real ``mpirun`` starts over real SSH: the pods of a gang are processes here, two nodes and a launcher."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.local.driving import wait_for
from fairlead.engines.kubernetes.inside.mpi import session
from fairlead.runs.logs import Log
from fairlead.store.history import attempts_of
from fairlead.store.layout import Task, task_key
from fairlead.store.records import AttemptRecord, decode
from fairlead.worker.tasks import ProjectCode, WorkerTask
from worker.pods.running import PodLaunch, PodRun, environment

PROGRAMS = ("mpirun", "ssh", "ssh-keygen", "sshd")
SBIN = f"{os.environ['PATH']}:/usr/sbin"
SECRET = "a\n'b\" c=$d"
BYTES = st.binary().map(lambda value: value.replace(b"\0", b""))
FLOW = """
import os
import sys
import time
from pathlib import Path

from fairlead import flow, runtimes, step

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's mpi4py


@step(runtime=runtimes.mpi(nodes=2), variables={"TOLD": "yes"})
def total() -> list:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    found = world.allreduce([(world.Get_rank(), os.environ["RANK"], os.environ["NODE_RANK"], os.environ["WHERE"])])
    print(f"rank {world.Get_rank()} of {world.Get_size()} says {os.environ['TOLD']}, {os.environ['SECRET']!r}")
    return [world.Get_size(), *map(list, sorted(found))]


@step(runtime=runtimes.mpi(nodes=2))
def placed() -> list:
    os.fstat(int(os.environ["PMI_FD"]))
    return [os.environ[name] for name in ("RANK", "WORLD_SIZE", "NODE_RANK", "PMI_RANK", "WHERE")]


@step(runtime=runtimes.mpi(nodes=2))
def broken() -> None:
    if os.environ["RANK"] == "1":
        raise ValueError("no luck")
    time.sleep(600)


@step(runtime=runtimes.mpi(nodes=2))
def endless() -> None:
    print("begun", flush=True)
    time.sleep(600)


@flow
def totals():
    return total()


@flow
def placing():
    return placed()


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()
"""


class Gang(NamedTuple):
    """An attempt whose task is in the store, as the pod that waits for it puts it there."""

    run: PodRun
    task: WorkerTask
    folder: Path

    def work(self, name: str) -> Path:
        return self.folder / name

    def arguments(self, work: str, port: int) -> list[str]:
        by_ssh = [f"--keys={self.folder}/keys", f"--port={port}", "--hosts=node-{}.gang"]
        return [
            *self.run.identity(), f"--task={self.task.step.name}.0.1", f"--work={self.work(work)}",
            *(by_ssh if port else ["--hosts=node-{}"]),
        ]  # fmt: skip

    def records(self) -> dict[int, AttemptRecord]:
        backend = self.run.store.backend
        found = attempts_of(backend, self.task.run, self.task.step.name, 0)
        return {
            task.rank: decode(backend.get(key), AttemptRecord, key=key) for key, task in found if task.rank is not None
        }

    def log(self, rank: int) -> str:
        return b"".join(Log(self.run.store, self.task.run, Task(self.task.step.name, 0, 1, rank)).blocks()).decode()


@pytest.fixture
def programs() -> None:
    missing = [each for each in PROGRAMS if shutil.which(each, path=SBIN) is None]
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}: apt-get install openmpi-bin openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # without which an SSH server of root does not start


@pytest.fixture
def ports() -> list[int]:
    """Return two ports that are free, for the SSH servers of two nodes."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        return [each.getsockname()[1] for each in held]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return make_keys(tmp_path / "keys")


def make_keys(folder: Path) -> Path:
    """Make the keys that the operator makes for a job."""
    folder.mkdir()
    command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", str(folder / "id_rsa")]
    subprocess.run(command, check=True)
    shutil.copy(folder / "id_rsa.pub", folder / "authorized_keys")
    return folder


@pytest.fixture
def names(tmp_path: Path, ports: list[int]) -> Path:
    """Make what a cluster's DNS is: all nodes are this machine, each with a port of its own."""
    folder = tmp_path / "names"
    folder.mkdir()
    script = folder / "ssh"
    cases = "".join(f"*node-{number}.gang*) port={port};;\n" for number, port in enumerate(ports))
    script.write_text(
        f'#!/bin/sh\ncase " $* " in\n{cases}esac\nexec {shutil.which("ssh")} -o HostName=127.0.0.1 -p "$port" "$@"\n'
    )
    script.chmod(0o755)
    return folder


def gang(tmp_path: Path, flow: str, step: str) -> Gang:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    run = PodLaunch(tmp_path).submit(project / "flow.py", flow, {})
    definition = next(each for each in run.spec.graph.steps.values() if each.name == step)
    task = WorkerTask(
        id=0, run=run.spec.run, step=definition, index=0, number=1, code=ProjectCode(""), inputs={},
        store=run.store.url, host=str(tmp_path / "host"), log=None, metrics=str(tmp_path / "metrics"),
        checkpoints=str(tmp_path / "checkpoints"), variables=dict(definition.environment.variables),
    )  # fmt: skip
    run.store.backend.put(task_key(run.spec.run, Task(step, 0, 1)), msgspec.msgpack.encode(task))
    return Gang(run, task, tmp_path)


@contextmanager
def started(
    found: Gang, name: str, module: str, port: int, path: str, *more: str, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a pod of the gang; what is left of it is killed at the end."""
    work = found.work(name)
    work.mkdir()
    command = [sys.executable, "-m", f"fairlead.engines.kubernetes.inside.mpi.{module}", *found.arguments(name, port)]
    with (found.folder / f"{name}.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, *more], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=work,
            env={**environment(), "PATH": path, **variables},
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Pods(NamedTuple):
    """The processes of a gang."""

    nodes: list[subprocess.Popen[bytes]]
    launcher: subprocess.Popen[bytes]


@contextmanager
def pods(found: Gang, ports: list[int], names: Path, **more: str) -> Iterator[Pods]:
    path = f"{names}:{SBIN}"
    with ExitStack() as stack:
        nodes = []
        for number, port in enumerate(ports):
            own = found.folder / f"tmp-{number}"
            own.mkdir()
            variables = {"FAIRLEAD_NODE": str(number), "WHERE": f"node {number}", "SECRET": SECRET, "TMPDIR": str(own)}
            entered = started(found, f"node-{number}", "node", port, path, "--node-variable=FAIRLEAD_NODE", **variables)
            nodes.append(stack.enter_context(entered))
        domain = ".gang" if ports[0] else ""
        (found.folder / "hostfile").write_text("".join(f"node-{number}{domain} slots=1\n" for number in range(2)))
        operators = {
            "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
            "OMPI_MCA_orte_default_hostfile": str(found.folder / "hostfile"),
            **({"OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10"} if ports[0] else {}),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            **more,
        }
        yield Pods(nodes, stack.enter_context(started(found, "launcher", "launcher", ports[0], path, **operators)))


def said(found: Gang) -> str:
    return "\n".join(f"== {path.name}\n{path.read_text()}" for path in sorted(found.folder.glob("*.txt")))


def value(found: Gang) -> object:
    """Return what rank 0 has returned."""
    outcome = found.records()[0].outcome
    assert outcome is not None
    return found.run.store.values.load(outcome.outputs[0])


@pytest.mark.usefixtures("programs", "keys")
def test_ranks_of_two_nodes_are_one_world_with_the_environment_of_their_pods(
    tmp_path: Path, ports: list[int], names: Path
) -> None:
    found = gang(tmp_path, "totals", "total")
    with pods(found, ports, names) as running:
        assert running.launcher.wait(120) == 0, said(found)
    assert {rank: each.status for rank, each in found.records().items()} == {0: "succeeded", 1: "succeeded"}
    assert value(found) == [2, [0, "0", "0", "node 0"], [1, "1", "1", "node 1"]]
    for rank in (0, 1):
        line = f"rank {rank} of 2 says yes, {SECRET!r}\n"
        assert line in found.log(rank)
        assert line in (tmp_path / f"node-{rank}.txt").read_text()
    assert "says" not in (tmp_path / "launcher.txt").read_text()
    assert (tmp_path / "node-0/mpi/environment").stat().st_mode & 0o77 == 0


@pytest.mark.slow
@pytest.mark.usefixtures("programs")
def test_ranks_that_are_executed_in_pods_are_one_world_too(tmp_path: Path) -> None:
    """What stands for ``kubectl exec`` gives a command the variables of the pod's container, and nothing else."""
    found = gang(tmp_path, "totals", "total")
    agent = tmp_path / "kubexec.sh"
    variables = shlex.join(f"{name}={value}" for name, value in {**environment(), "SECRET": SECRET}.items())
    agent.write_text(
        f"""#!/bin/sh
number=${{1#node-}}
shift
exec env -i {variables} WHERE="node $number" FAIRLEAD_NODE=$number TMPDIR={tmp_path}/tmp-$number \\
    FAIRLEAD_MPI={tmp_path}/node-$number/mpi sh -c "$*"
"""
    )
    agent.chmod(0o755)
    with pods(found, [0, 0], tmp_path, OMPI_MCA_plm_rsh_agent=str(agent)) as running:
        assert running.launcher.wait(120) == 0, said(found)
    assert value(found) == [2, [0, "0", "0", "node 0"], [1, "1", "1", "node 1"]]
    assert f"rank 1 of 2 says yes, {SECRET!r}\n" in (tmp_path / "node-1.txt").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("programs", "keys")
def test_the_process_manager_of_mpich_starts_ranks_which_can_speak_to_it(
    tmp_path: Path, ports: list[int], names: Path
) -> None:
    if shutil.which("mpirun.mpich") is None:
        pytest.skip("this machine has no MPICH: apt-get install mpich")
    (names / "mpirun").write_text('#!/bin/sh\nexec mpirun.mpich "$@"\n')
    (names / "mpirun").chmod(0o755)
    found = gang(tmp_path, "placing", "placed")
    hosts = tmp_path / "hosts"
    hosts.write_text("node-0.gang:1\nnode-1.gang:1\n")
    with pods(found, ports, names, HYDRA_HOST_FILE=str(hosts)) as running:
        assert running.launcher.wait(120) == 0, said(found)
    assert value(found) == ["0", "2", "0", "0", "node 0"]
    assert found.records()[1].status == "succeeded"


@pytest.mark.slow
@pytest.mark.usefixtures("programs", "keys")
def test_a_rank_that_fails_ends_the_others_and_is_the_first_that_did(
    tmp_path: Path, ports: list[int], names: Path
) -> None:
    found = gang(tmp_path, "breaking", "broken")
    with pods(found, ports, names) as running:
        assert running.launcher.wait(120) == 1, said(found)
    records = found.records()
    first = min(records.values(), key=lambda each: each.finished)
    assert first.error is not None
    assert (first.rank, first.error.type, first.error.message) == (1, "ValueError", "no luck")
    assert records[0].error is not None and records[0].infrastructure
    assert (records[0].status, records[0].error.type) == ("failed", "Evicted")


@pytest.mark.slow
@pytest.mark.usefixtures("programs", "keys")
@pytest.mark.parametrize("which", ["launcher", "node"])
def test_a_pod_that_is_asked_to_end_asks_its_ranks_first(
    which: str, tmp_path: Path, ports: list[int], names: Path
) -> None:
    found = gang(tmp_path, "lasting", "endless")
    with pods(found, ports, names) as running:
        wait_for(lambda: "begun" in (tmp_path / "node-1.txt").read_text(), patience_s=60)
        asked = running.launcher if which == "launcher" else running.nodes[1]
        asked.send_signal(signal.SIGTERM)
        assert running.launcher.wait(60) == 1, said(found)
        if which == "node":
            assert asked.wait(60) in (0, 1)
    ended = found.records()[1]
    assert ended.error is not None and ended.infrastructure
    assert ended.error.type == "Evicted"


@pytest.mark.usefixtures("programs", "keys")
def test_a_node_whose_image_lacks_a_server_says_so_and_the_launcher_waits_no_longer(
    tmp_path: Path, ports: list[int], names: Path
) -> None:
    found = gang(tmp_path, "lasting", "endless")
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "mpirun").symlink_to(shutil.which("mpirun") or "")
    with started(found, "launcher", "launcher", ports[0], f"{names}:{SBIN}") as launcher:
        wait_for(lambda: "waiting for 2 nodes" in (tmp_path / "launcher.txt").read_text(), patience_s=60)
        with started(found, "node-1", "node", ports[1], str(bare), "--node-variable=N", N="1") as node:
            assert node.wait(60) == 1
        assert launcher.wait(60) == 1
    ended = found.records()[1]
    assert ended.error is not None and not ended.infrastructure and not ended.retry
    assert ended.error.type == "Launch"
    assert "it has no ssh" in ended.error.message and "docs/targets/training.md" in ended.error.message


@pytest.mark.usefixtures("programs", "keys")
def test_a_launcher_takes_no_server_with_other_keys_for_a_node(tmp_path: Path, ports: list[int], names: Path) -> None:
    found = gang(tmp_path, "lasting", "endless")
    path = f"{names}:{SBIN}"
    others = f"--keys={make_keys(tmp_path / 'others')}"
    with (
        started(found, "node-0", "node", ports[0], path, "--node-variable=N", others, N="0"),
        started(found, "launcher", "launcher", ports[0], path) as launcher,
    ):
        assert launcher.wait(60) == 1, said(found)
    ended = found.records()[0]
    assert ended.error is not None and not ended.infrastructure and not ended.retry
    assert ended.error.type == "Launch" and "does not let its launcher in" in ended.error.message


@pytest.mark.usefixtures("programs", "keys")
def test_the_last_lines_of_mpirun_are_the_reason_where_no_rank_began(
    tmp_path: Path, ports: list[int], names: Path
) -> None:
    found = gang(tmp_path, "lasting", "endless")
    with pods(found, ports, names, OMPI_MCA_plm="nothing_of_the_kind") as running:
        assert running.launcher.wait(60) == 1, said(found)
    ended = found.records()[0]
    assert ended.error is not None and ended.infrastructure
    assert ended.error.type == "Launch" and "no rank has left a record" in ended.error.message
    assert "nothing_of_the_kind" in ended.error.traceback


@settings(deadline=None)
@given(st.dictionaries(st.binary(min_size=1).filter(lambda name: not set(name) & set(b"\0=")), BYTES))
def test_an_environment_is_read_as_it_was_kept(environment: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        session.keep(Path(folder) / "environment", environment)
        assert session.kept(Path(folder) / "environment") == environment
