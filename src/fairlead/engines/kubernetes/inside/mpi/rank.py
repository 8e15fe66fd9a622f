"""One rank of a gang, which ``mpirun`` has started: ``python -m fairlead.engines.kubernetes.inside.mpi.rank``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from fairlead.engines.kubernetes.inside.mpi.place import Place
from fairlead.engines.kubernetes.inside.ranks import as_rank, record_deaths, run_ranks
from fairlead.errors import FairleadError
from fairlead.specs.runtimes import RankRuntime
from fairlead.targets.training.members import MASTER_PORT
from fairlead.worker.mpi import rank_of
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.place import open_store
from fairlead.worker.ranks import ranks_on


def main() -> int:
    """Run the rank; returns the exit code, which ends all others where it is not 0."""
    place = Place.of_rank(os.environ)
    _write_to(place.output)
    task, node, master_address = place.read()
    backend, runtime = open_store(task.store), task.step.runtime
    assert isinstance(runtime, RankRuntime)
    first = ranks_on(runtime, [node], master_address, MASTER_PORT, ())[0]
    try:
        rank = rank_of(os.environ, first)
    except FairleadError as error:
        print(f"fairlead: {error}", file=sys.stderr)
        lost = Death("Launch", str(error), time.time(), None, None, infrastructure=False)
        record_deaths(backend, [as_rank(task, first)], [lost], retry=False)
        return 1
    tasks = [as_rank(task, rank)]
    with place.noted():
        deaths = run_ranks(backend, tasks, place.folder / f"rank-{rank.local_rank}")
        record_deaths(backend, tasks, deaths)
    return int(any(deaths))


def _write_to(pipe: Path) -> None:
    """Have this process, and what it starts, write into a pipe."""
    descriptor = os.open(pipe, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
