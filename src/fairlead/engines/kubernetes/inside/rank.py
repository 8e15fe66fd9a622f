"""One pod of a gang: ``python -m fairlead.engines.kubernetes.inside.rank --run … --task STEP.INDEX.ATTEMPT``.

Its place among the ranks is the index that an Indexed Job gives its pods.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fairlead.errors import FairleadError
from fairlead.specs.runtimes import RankRuntime, kind_of
from fairlead.store.backends import Backend
from fairlead.store.layout import attempt_key, checkpoint_prefix, object_key, parse_task, spec_key, task_key
from fairlead.store.opening import open_backend
from fairlead.store.records import RunSpec, decode, encode
from fairlead.targets.job import MASTER_PORT
from fairlead.worker.pods.checkpoints import StoredCheckpoints
from fairlead.worker.pods.children import record_of_death, run_children
from fairlead.worker.pods.keeping import Keeper
from fairlead.worker.running import task_name
from fairlead.worker.tasks import ProjectCode, Rank, WorkerTask


def main() -> int:
    """Run the ranks of this pod; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-rank")
    for name in ("store", "run", "task"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--revision", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    given, _ = parser.parse_known_args()
    try:
        return _run(given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    backend = open_backend(given.store)
    name = parse_task(given.task)
    task = msgspec.msgpack.decode(backend.get(task_key(given.run, name)), type=WorkerTask)
    task = msgspec.structs.replace(task, code=_code(backend, given))
    tasks = [(_as_rank(task, rank), given.work / f"log-{rank.rank}") for rank in _ranks(task)]
    _fetch_checkpoint(backend, given.run, task)
    with ExitStack() as stack:
        keepers = [
            stack.enter_context(Keeper(backend, given.run, task_name(each), log, Path(each.metrics)))
            for each, log in tasks
        ]
        deaths = run_children(tasks, given.work)
    for (each, _), keeper, death in zip(tasks, keepers, deaths, strict=True):
        keeper.finish()
        if death is not None:
            own = task_name(each)
            record = record_of_death(own, death, cancelled=False, retry=task.retry or death.evicted)
            backend.create(attempt_key(given.run, own), encode(record))
    return int(any(deaths))


def _fetch_checkpoint(backend: Backend, run: str, task: WorkerTask) -> None:
    """Bring what an earlier attempt has left to where this one looks for it."""
    if task.number > 1 and task.step.checkpoint is None:
        prefix = checkpoint_prefix(run, task.step.name, task.index)
        StoredCheckpoints(backend, prefix, task.number).fetch(Path(task.checkpoints))


def _code(backend: Backend, given: argparse.Namespace) -> ProjectCode:
    key = spec_key(given.run, given.revision)
    code = decode(backend.get(key), RunSpec, key=key).code
    assert code is not None and code.package is not None
    package = given.work / "package"
    package.write_bytes(backend.get(object_key(code.package.digest)))
    return ProjectCode(file=str(given.work / "code" / code.package.digest), package=str(package))


def _ranks(task: WorkerTask) -> list[Rank]:
    """Return the ranks of this pod. Its name is ``JOB-INDEX``, and the Service of its gang has the job's."""
    runtime = task.step.runtime
    assert isinstance(runtime, RankRuntime)
    node, each = int(os.environ["JOB_COMPLETION_INDEX"]), runtime.processes_per_node
    job = os.environ["HOSTNAME"].rpartition("-")[0]
    hosts = [f"{job}-{number}.{job}" for number in range(runtime.nodes)]
    workers = [f"{hosts[rank // each]}:{MASTER_PORT + 1 + rank % each}" for rank in range(runtime.world_size)]
    kind = kind_of(runtime)
    return [
        Rank(
            rank=node * each + local,
            world_size=runtime.world_size,
            local_rank=local,
            local_world_size=each,
            node_rank=node,
            nodes=runtime.nodes,
            master_address=hosts[0],
            master_port=MASTER_PORT,
            kind=kind,
            workers=tuple(workers) if kind == "tensorflow" else (),
        )
        for local in range(each)
    ]


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
