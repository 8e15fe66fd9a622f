"""One pod of a gang: ``python -m fairlead.engines.kubernetes.inside.rank --run … --task STEP.INDEX.ATTEMPT``.

Which node of the gang it is, a variable says that its target names; where the others are, a pattern of hosts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fairlead.errors import FairleadError
from fairlead.specs.runtimes import RankRuntime, kind_of
from fairlead.store.backends import Backend
from fairlead.store.layout import attempt_key, parse_task, spec_key, task_key
from fairlead.store.records import RunSpec, decode, encode
from fairlead.targets.training.members import MASTER_PORT
from fairlead.worker.checkpoints import fetch_checkpoint
from fairlead.worker.pods.children import Death, record_of_death, run_children
from fairlead.worker.pods.fetching import PackagesError, fetch_code, fetch_packages
from fairlead.worker.pods.keeping import Keeper
from fairlead.worker.pods.place import open_store
from fairlead.worker.ranks import ranks_on
from fairlead.worker.running import task_name
from fairlead.worker.tasks import Rank, WorkerTask


def main() -> int:
    """Run the ranks of this pod; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-rank")
    for name in ("store", "run", "task", "node-variable", "hosts"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("revision", "generation"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    given, _ = parser.parse_known_args()
    try:
        return _run(given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    backend = open_store(given.store)
    name = parse_task(given.task)
    task = msgspec.msgpack.decode(backend.get(task_key(given.run, name)), type=WorkerTask)
    key = spec_key(given.run, given.revision)
    code = fetch_code(backend, decode(backend.get(key), RunSpec, key=key), given.work)
    task = msgspec.structs.replace(task, code=code)
    tasks = [
        (_as_rank(task, rank), given.work / f"log-{rank.rank}")
        for rank in _ranks(task, int(os.environ[given.node_variable]), given.hosts)
    ]
    fetch_checkpoint(backend, task)
    try:
        packages = fetch_packages(backend, given.run, given.generation, task.step, given.work)
    except PackagesError as error:
        without = Death("Packages", str(error), time.time(), None, None, infrastructure=False)
        for each, _ in tasks:
            _record(backend, each, without, retry=task.retry)
        return 1
    tasks = [(msgspec.structs.replace(each, packages=packages), log) for each, log in tasks]
    with ExitStack() as stack:
        keepers = [
            stack.enter_context(Keeper(backend, given.run, task_name(each), log, Path(each.metrics)))
            for each, log in tasks
        ]
        deaths = run_children(tasks, given.work)
    for (each, _), keeper, death in zip(tasks, keepers, deaths, strict=True):
        keeper.finish()
        if death is not None:
            _record(backend, each, death, retry=task.retry or death.infrastructure)
    return int(any(deaths))


def _record(backend: Backend, task: WorkerTask, death: Death, *, retry: bool) -> None:
    record = record_of_death(task_name(task), death, cancelled=False, retry=retry)
    backend.create(attempt_key(task.run, task_name(task)), encode(record))


def _ranks(task: WorkerTask, node: int, pattern: str) -> list[Rank]:
    """Return the ranks of this pod, which is a node of a gang whose hosts are named by a pattern."""
    runtime = task.step.runtime
    assert isinstance(runtime, RankRuntime)
    hosts, each = [pattern.format(number) for number in range(runtime.nodes)], runtime.processes_per_node
    workers = [f"{hosts[rank // each]}:{MASTER_PORT + 1 + rank % each}" for rank in range(runtime.world_size)]
    return ranks_on(runtime, [node], hosts[0], MASTER_PORT, tuple(workers) if kind_of(runtime) == "tensorflow" else ())


def _as_rank(task: WorkerTask, rank: Rank) -> WorkerTask:
    first = rank.rank == 0
    threads = max(1, task.threads // rank.local_world_size)
    return msgspec.structs.replace(
        task,
        rank=rank,
        metrics=f"{task.metrics}-{rank.rank}",
        cache_key=task.cache_key if first else None,
        threads=threads,
    )


if __name__ == "__main__":
    sys.exit(main())
