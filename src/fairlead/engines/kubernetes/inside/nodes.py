"""What the pod of a node of a gang brings before its ranks run: its task, the code, packages, the checkpoint."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.engines.kubernetes.inside.ranks import as_rank, record_deaths
from fairlead.specs.runtimes import ClusterRuntime, RankRuntime, kind_of
from fairlead.store.backends import Backend
from fairlead.store.layout import parse_task, spec_key, task_key
from fairlead.store.records import RunSpec, decode
from fairlead.targets.training.members import MASTER_PORT
from fairlead.worker.checkpoints import fetch_checkpoint
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.fetching import PackagesError, fetch_code, fetch_packages
from fairlead.worker.pods.place import open_store
from fairlead.worker.ranks import ranks_on, the_one
from fairlead.worker.tasks import Rank, WorkerTask


class Node(NamedTuple):
    """A node of a gang that has all it needs.

    Attributes:
        task: The attempt's, with the code and packages that are here.
        number: Which node it is.
        ranks: The places of its ranks, unless somebody else gives them out.
    """

    backend: Backend
    task: WorkerTask
    number: int
    ranks: list[Rank]

    @property
    def tasks(self) -> list[WorkerTask]:
        """Those of its ranks."""
        return [as_rank(self.task, rank) for rank in self.ranks]


def node_parser(program: str) -> argparse.ArgumentParser:
    """Return a parser of the arguments that say which attempt a gang's pod is of, and where its nodes are."""
    parser = argparse.ArgumentParser(prog=program)
    for name in ("store", "run", "task"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--hosts", default="")
    for name in ("revision", "generation"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    return parser


def read_task(given: argparse.Namespace) -> tuple[Backend, WorkerTask]:
    """Return the store, and the task of the attempt that the arguments name."""
    backend = open_store(given.store)
    data = backend.get(task_key(given.run, parse_task(given.task)))
    return backend, msgspec.msgpack.decode(data, type=WorkerTask)


def arrive(given: argparse.Namespace) -> Node | None:
    """Fetch what the ranks of this pod need.

    Args:
        given: What `node_parser` reads, and the name of the variable that holds the number of the node, if there are
            several.

    Returns:
        None where its packages can't be had, which is recorded.
    """
    backend, task = read_task(given)
    key = spec_key(given.run, given.revision)
    code = fetch_code(backend, decode(backend.get(key), RunSpec, key=key), given.work)
    task = msgspec.structs.replace(task, code=code)
    number = int(os.environ[given.node_variable]) if given.node_variable else 0
    node = Node(backend, task, number, _ranks(task, number, given.hosts))
    fetch_checkpoint(backend, task)
    try:
        packages = fetch_packages(backend, given.run, given.generation, task.step, given.work)
    except PackagesError as error:
        fail(node, "Packages", error, retry=task.retry)
        return None
    return node._replace(task=msgspec.structs.replace(task, packages=packages))


def fail(node: Node, kind: str, error: Exception, *, retry: bool) -> None:
    """Record for all ranks of a node why none of them can run."""
    without = Death(kind, str(error), time.time(), None, None, infrastructure=False)
    record_deaths(node.backend, node.tasks, [without] * len(node.ranks), retry=retry)


def hosts(task: WorkerTask, pattern: str) -> list[str]:
    """Return the host of each node of a gang, whose hosts are named by a pattern."""
    runtime = task.step.runtime
    assert isinstance(runtime, RankRuntime)
    return [pattern.format(number) for number in range(runtime.nodes)]


def _ranks(task: WorkerTask, node: int, pattern: str) -> list[Rank]:
    """Return the places of the ranks of a node."""
    runtime = task.step.runtime
    if isinstance(runtime, ClusterRuntime):
        return [the_one(runtime)]
    assert isinstance(runtime, RankRuntime)
    names, each = hosts(task, pattern), runtime.processes_per_node
    workers = [f"{names[rank // each]}:{MASTER_PORT + 1 + rank % each}" for rank in range(runtime.world_size)]
    return ranks_on(runtime, [node], names[0], MASTER_PORT, tuple(workers) if kind_of(runtime) == "tensorflow" else ())
