"""One pod of a gang: ``python -m fairlead.engines.kubernetes.inside.rank --run … --task STEP.INDEX.ATTEMPT``.

Which node of the gang it is, a variable says that its target names; where the others are, a pattern of hosts. Where a
framework's cluster works for the step there is one rank, and its framework tells it where the others are.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import msgspec

from fairlead.engines.kubernetes.inside.elastic import is_elastic, run_agent
from fairlead.engines.kubernetes.inside.ranks import as_rank, record_deaths, run_ranks
from fairlead.errors import FairleadError
from fairlead.specs.runtimes import ClusterRuntime, RankRuntime, kind_of
from fairlead.store.layout import parse_task, spec_key, task_key
from fairlead.store.records import RunSpec, decode
from fairlead.targets.training.members import MASTER_PORT
from fairlead.worker.checkpoints import fetch_checkpoint
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.fetching import PackagesError, fetch_code, fetch_packages
from fairlead.worker.pods.place import open_store
from fairlead.worker.ranks import ranks_on, the_one
from fairlead.worker.tasks import Rank, WorkerTask


def main() -> int:
    """Run the ranks of this pod; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-rank")
    for name in ("store", "run", "task"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("node-variable", "hosts"):
        parser.add_argument(f"--{name}", default="")
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
    node = int(os.environ[given.node_variable]) if given.node_variable else 0
    tasks = [as_rank(task, rank) for rank in _ranks(task, node, given.hosts)]
    fetch_checkpoint(backend, task)
    try:
        packages = fetch_packages(backend, given.run, given.generation, task.step, given.work)
    except PackagesError as error:
        without = Death("Packages", str(error), time.time(), None, None, infrastructure=False)
        record_deaths(backend, tasks, [without] * len(tasks), retry=task.retry)
        return 1
    if is_elastic(task):
        return run_agent(backend, msgspec.structs.replace(task, packages=packages), node, given.work)
    tasks = [msgspec.structs.replace(each, packages=packages) for each in tasks]
    deaths = run_ranks(backend, tasks, given.work)
    record_deaths(backend, tasks, deaths)
    return int(any(deaths))


def _ranks(task: WorkerTask, node: int, pattern: str) -> list[Rank]:
    """Return the ranks of this pod, which is a node of a gang whose hosts are named by a pattern."""
    runtime = task.step.runtime
    if isinstance(runtime, ClusterRuntime):
        return [the_one(runtime)]
    assert isinstance(runtime, RankRuntime)
    hosts, each = [pattern.format(number) for number in range(runtime.nodes)], runtime.processes_per_node
    workers = [f"{hosts[rank // each]}:{MASTER_PORT + 1 + rank % each}" for rank in range(runtime.world_size)]
    return ranks_on(runtime, [node], hosts[0], MASTER_PORT, tuple(workers) if kind_of(runtime) == "tensorflow" else ())


if __name__ == "__main__":
    sys.exit(main())
