"""What of an elastic gang can be seen without torch: the ranks that its agent gives, and what rounds leave behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fairlead.engines.kubernetes.inside import ranks
from fairlead.engines.kubernetes.inside.elastic import forget, rank_of
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Folder, list_all
from fairlead.store.layout import Task, attempt_key
from fairlead.worker.tasks import ProjectCode, Rank, WorkerTask

TORCHRUN = {
    "RANK": "3", "WORLD_SIZE": "6", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1",
    "GROUP_WORLD_SIZE": "3", "MASTER_ADDR": "fit-worker-2", "MASTER_PORT": "41234", "ROLE_RANK": "3",
}  # fmt: skip


def test_a_rank_is_what_torchrun_says() -> None:
    assert rank_of(TORCHRUN) == Rank(3, 6, 1, 2, 1, 3, "fit-worker-2", 41234, "torch")


def of_four() -> WorkerTask:
    step = FunctionStep(name="fit", function="m:f", runtime=Torch(nodes=4, nodes_min=2))
    return WorkerTask(
        id=0, run="r", step=step, index=0, number=2, code=ProjectCode("f.py"), inputs={}, store="", host="", log=None,
        checkpoints="",
    )  # fmt: skip


@pytest.mark.parametrize(("rank", "left"), [(0, ["r1"]), (1, ["r0", "r2", "r3"])])
def test_what_earlier_rounds_recorded_of_a_rank_goes_and_the_first_removes_those_of_ranks_that_are_no_more(
    rank: int, left: list[str], tmp_path: Path
) -> None:
    """A gang of two nodes had four before. Records of other attempts, and of other steps, are nobody's here."""
    backend = Folder(tmp_path)
    task = of_four()
    others = [Task("fit", 0, 1, 3), Task("fit", 0, 20, 3), Task("fit", 0, 2), Task("fitter", 0, 2, 3)]
    for each in (*others, *(Task("fit", 0, 2, number) for number in range(4))):
        backend.create(attempt_key("r", each), str(time.time()).encode())

    forget(backend, task, Rank(rank, 2, 0, 1, rank, 2, "a", 1, "torch"))

    expected = {attempt_key("r", each) for each in others} | {
        attempt_key("r", Task("fit", 0, 2)) + f".{each}" for each in left
    }
    assert {each.key for each in list_all(backend, "runs/r/attempts/")} == expected


def test_a_pod_with_which_its_gang_ends_waits_until_all_have_left_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "LOOK_S", 0.01)
    backend, written = Folder(tmp_path), []

    def write() -> None:
        for rank in (1, 0, 2):
            time.sleep(0.05)
            written.append(rank)
            backend.create(attempt_key("r", Task("fit", 0, 2, rank)), b"")

    others = threading.Thread(target=write)
    others.start()
    ranks.outlast(backend, of_four(), range(3))
    assert written == [1, 0, 2]
    others.join()
