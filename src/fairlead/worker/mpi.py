"""What MPI says of a rank, in the words of its implementations, and the end of MPI in a rank's process.

Sources: https://docs.open-mpi.org/en/main/tuning-apps/environment-var.html for Open MPI; MPICH and Intel MPI have their
process manager in common, Hydra, whose variables are those of PMI.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from fairlead.errors import FairleadError
from fairlead.worker.tasks import Rank

_RANK = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_SIZE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
_LOCAL_SIZE = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")

PROCESS_MANAGER = "PMI_FD"
"""The variable with the number of an open file by which a process speaks to Hydra: whoever has it must inherit that."""


def rank_of(environment: Mapping[str, str], first: Rank) -> Rank:
    """Return the place that MPI has given to this process.

    Args:
        environment: The variables of this process.
        first: The place of the first rank of this node, as the step declares it.

    Raises:
        FairleadError: It says none, or one of another gang than the declared one.
    """
    words = (_RANK, _SIZE, _LOCAL_RANK, _LOCAL_SIZE)
    found = [next((environment[each] for each in names if each in environment), None) for names in words]
    if None in found:
        missing = next(names for names, each in zip(words, found, strict=True) if each is None)
        raise FairleadError(
            "MPI does not say which rank this process is",
            where=f"node {first.node_rank}",
            why=f"none of these variables is set: {', '.join(missing)}",
            next="use mpirun of Open MPI, MPICH or Intel MPI",
        )
    rank, size, local_rank, local_size = (int(each) for each in found if each is not None)
    declared = first.world_size, first.local_world_size
    if (size, local_size) != declared:
        raise FairleadError(
            "mpirun has not started the ranks that the step declares",
            where=f"rank {rank} on node {first.node_rank}",
            why=f"of {size} ranks {local_size} are here; declared are {declared[0]}, {declared[1]} a node",
            next="leave slots and hosts of mpirun to Fairlead: no variable of the step or the image may set them",
        )
    return msgspec.structs.replace(first, rank=rank, local_rank=local_rank)


def inherited(environment: Mapping[str, str]) -> tuple[int, ...]:
    """Return the open files that a rank's process must have from the one that MPI has started."""
    return (int(environment[PROCESS_MANAGER]),) if PROCESS_MANAGER in environment else ()


def finalize() -> None:
    """End MPI where a step has begun it by ``mpi4py``, which would do so as late as Python itself ends.

    All ranks do it together: one that has failed must not, or it would wait for the others.
    """
    library = sys.modules.get("mpi4py.MPI")
    if library is not None and library.Is_initialized() and not library.Is_finalized():
        library.Finalize()
