"""A pod of an elastic gang: torchrun's agent starts its ranks, and starts them anew whenever nodes come or go.

``python -m fairlead.engines.kubernetes.inside.elastic TASK`` is the agent, which learns of the others by the variables
that its pod has (``PET_…``); with ``rank`` behind it, it is what the agent starts for each rank. A file describes the
task. Ranks are other ones in each round, and what a round before has recorded of them counts no more.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fairlead.engines.kubernetes.inside.ranks import as_rank, outlast, record_deaths, recorded, run_ranks
from fairlead.specs.runtimes import Torch, fewest_nodes
from fairlead.store.backends import Backend
from fairlead.store.layout import attempt_key
from fairlead.worker.checkpoints import fetch_checkpoint
from fairlead.worker.pods.children import run_child, starting
from fairlead.worker.pods.place import open_store
from fairlead.worker.ranks import ranks_on
from fairlead.worker.tasks import Rank, WorkerTask

EVICTED = 128 + signal.SIGTERM
"""The exit code of a pod that was asked to end: the operator starts it anew, as for every code of 128 and more."""

_MODULE = "fairlead.engines.kubernetes.inside.elastic"


def is_elastic(task: WorkerTask) -> bool:
    """Say whether an agent starts the ranks of a step."""
    return fewest_nodes(task.step.runtime) is not None


def run_agent(backend: Backend, task: WorkerTask, node: int, work: Path) -> int:
    """Run the agent of this pod.

    Args:
        backend: The store.
        task: The attempt's.
        node: The number of the pod: the rank that it is recorded as where no rank has come to be.
        work: A folder for it.

    Returns:
        The exit code of the pod.
    """
    death = run_child(task, work / "log-agent", work, timeout_s=None, module=_MODULE)
    if death is None:
        outlast(backend, task, [0])  # the operator ends the job with the first pod that ends well
        return 0
    if death.kind == "Evicted":  # the others go on
        return EVICTED
    if not any(recorded(backend, task)):
        assert isinstance(task.step.runtime, Torch)
        first = ranks_on(task.step.runtime, [node], "", 0, ())[0]
        record_deaths(backend, [as_rank(task, first)], [death])
    return 1


def rank_of(environment: Mapping[str, str]) -> Rank:
    """Return the place that torchrun has given to this process."""

    def number(name: str) -> int:
        return int(environment[name])

    return Rank(
        rank=number("RANK"),
        world_size=number("WORLD_SIZE"),
        local_rank=number("LOCAL_RANK"),
        local_world_size=number("LOCAL_WORLD_SIZE"),
        node_rank=number("GROUP_RANK"),
        nodes=number("GROUP_WORLD_SIZE"),
        master_address=environment["MASTER_ADDR"],
        master_port=number("MASTER_PORT"),
        kind="torch",
    )


def forget(backend: Backend, task: WorkerTask, rank: Rank) -> None:
    """Remove what earlier rounds of an attempt have recorded of a rank; the first one's of those that are no more."""
    for name in list(recorded(backend, task)):
        assert name.rank is not None
        if name.rank == rank.rank or (rank.rank == 0 and name.rank >= rank.world_size):
            backend.delete(attempt_key(task.run, name))


def _agent(path: Path) -> int:
    """Become torchrun, whose options are spelt as torch 1 and 2 both know them."""
    sys.argv = ["torchrun", "--no_python", *starting(_MODULE), str(path), "rank"]
    runpy.run_module("torch.distributed.run", run_name="__main__", alter_sys=True)
    path.unlink()  # an end that comes before this one is a death, whatever its exit code
    return 0


def _rank(path: Path) -> int:
    task = msgspec.msgpack.decode(path.read_bytes(), type=WorkerTask)
    backend, rank = open_store(task.store), rank_of(os.environ)
    own = [as_rank(task, rank)]
    forget(backend, task, rank)
    fetch_checkpoint(backend, own[0])
    deaths = run_ranks(backend, own, path.with_name(f"rank-{rank.local_rank}"))
    if not any(each is not None and each.kind == "Evicted" for each in deaths):  # its agent begins another round
        record_deaths(backend, own, deaths)
    return int(any(deaths))


if __name__ == "__main__":
    sys.exit((_rank if sys.argv[2:] == ["rank"] else _agent)(Path(sys.argv[1])))
