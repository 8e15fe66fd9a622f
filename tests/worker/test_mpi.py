"""What MPI's implementations say of a rank, and what of it is not what a step declares."""

from __future__ import annotations

import pytest

from fairlead.errors import FairleadError
from fairlead.specs.runtimes import Mpi
from fairlead.worker.mpi import inherited, rank_of
from fairlead.worker.ranks import ranks_on
from fairlead.worker.tasks import Rank

FIRST = ranks_on(Mpi(nodes=2, processes_per_node=2), [1], "fit-worker-0.fit", 29500, ())[0]
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_RANK": "3",
}  # fmt: skip
HYDRA = {"PMI_RANK": "3", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2", "PMI_FD": "7"}


@pytest.mark.parametrize("environment", [OPEN_MPI, HYDRA])
def test_a_rank_is_what_mpi_says_on_the_node_that_the_pod_says(environment: dict[str, str]) -> None:
    assert rank_of(environment, FIRST) == Rank(3, 4, 1, 2, 1, 2, "fit-worker-0.fit", 29500, "mpi")


def test_another_number_of_ranks_than_the_declared_one_is_refused_with_both() -> None:
    with pytest.raises(FairleadError, match="not started the ranks") as refused:
        rank_of({**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "8"}, FIRST)
    assert refused.value.why == "of 8 ranks 2 are here; declared are 4, 2 a node"
    with pytest.raises(FairleadError, match="not started the ranks"):
        rank_of({**HYDRA, "MPI_LOCALNRANKS": "4"}, FIRST)


@pytest.mark.parametrize("missing", sorted(OPEN_MPI.keys() - {"PMIX_RANK", "OMPI_COMM_WORLD_RANK"}))
def test_a_process_that_mpi_says_nothing_to_is_told_which_variables_are_looked_for(missing: str) -> None:
    with pytest.raises(FairleadError, match="does not say which rank") as refused:
        rank_of({name: value for name, value in OPEN_MPI.items() if name != missing}, FIRST)
    assert missing in refused.value.why


def test_a_rank_of_hydra_inherits_the_file_by_which_it_speaks_to_it() -> None:
    assert (inherited(HYDRA), inherited(OPEN_MPI)) == ((7,), ())
