"""What ranks have written last: in a folder where they write, or in a store that pods put it into."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from fairlead.runs.picturing import pictured
from fairlead.runs.ranks import RANKS_MAX, RankLog, logged
from fairlead.runs.reporting import report
from fairlead.snapshots.snapshot import Meta, Snapshot
from fairlead.specs.graphs import Node
from fairlead.specs.runtimes import Runtime, Single, Torch
from fairlead.store.layout import Task, log_key, metrics_key
from fairlead.store.opened import Store
from fairlead.store.progress import Progress
from fairlead.store.records import Started, encode
from fairlead.store.segments import segment_key
from fairlead.worker.context import LoggedLine
from runs.test_picturing import RUN, TIME, WHOLE, spec_of
from store.playing import TAKE, count_items, graph_of

FIT = ("fit", 0)


def progress_of(runtime: Runtime) -> Progress:
    """Return a run whose step runs, at its second attempt."""
    step = msgspec.structs.replace(TAKE, name="fit", runtime=runtime)
    begun = Started(step="fit", index=0, number=2, time=TIME)
    return Progress(graph_of(Node(step="fit", name="fit"), fit=step), count_items, records=[begun])


def lines(*marks: tuple[float, float | None]) -> bytes:
    return b"".join(encode(LoggedLine(time, {"loss": 0.3}, at)) + b"\n" for time, at in marks)


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"), tmp_path / "host")


def test_ranks_of_this_machine_are_read_where_they_write(folder: Store) -> None:
    rank = Task(*FIT, 2, 1)
    for path, content in ((folder.metrics_path(RUN, rank), lines((5.0, 1.0), (9.0, None)) + b'{"time":'),
                          (folder.log_path(RUN, rank), b"step 1\n")):  # fmt: skip
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        os.utime(path, (7.0, 7.0))
    found = logged(folder, RUN, progress_of(Torch(processes_per_node=3)))[FIT]
    assert [rank for rank, each in found.items() if each.wrote] == [1] and len(found) == 3
    assert found[1] == RankLog(9.0, (LoggedLine(5.0, {"loss": 0.3}, 1.0),))


def test_ranks_of_pods_are_read_from_the_store_by_their_ends(remote: Store) -> None:
    marks = [(float(number), float(number)) for number in range(5000)]
    remote.backend.put(metrics_key(RUN, Task(*FIT, 2, 0)), lines(*marks))
    remote.backend.put(metrics_key(RUN, Task(*FIT, 1, 1)), lines((1.0, 1.0)))  # of an earlier attempt
    remote.backend.put(segment_key(log_key(RUN, Task(*FIT, 2, 1)), 0), b"here\n")
    found = logged(remote, RUN, progress_of(Torch(processes_per_node=2)))[FIT]
    assert found[0].lines[-1].at == 4999.0 and 100 < len(found[0].lines) < 1000
    assert found[1].wrote is not None and not found[1].lines


@pytest.mark.parametrize("runtime", [Single(), Torch(), Torch(nodes=4, nodes_min=2)], ids=["single", "one", "elastic"])
def test_steps_whose_processes_wait_for_no_others_are_left_out(folder: Store, runtime: Runtime) -> None:
    assert logged(folder, RUN, progress_of(runtime)) == {}


def test_no_more_than_so_many_ranks_are_read(folder: Store) -> None:
    assert len(logged(folder, RUN, progress_of(Torch(nodes=1000)))[FIT]) == RANKS_MAX


def test_a_run_shows_its_ranks(folder: Store) -> None:
    progress = progress_of(Torch(processes_per_node=2))
    spec = spec_of(progress.graph)
    ranks = {FIT: {0: RankLog(TIME, (LoggedLine(TIME, {}, 3.0),)), 1: RankLog(None, ())}}
    picture = pictured(spec, report(spec, progress, status="running"), progress, (), WHOLE, ranks)
    found = Snapshot(Meta(), picture.objects).find("Step", f"{RUN}/fit/0")
    assert found is not None and found.part("status.ranks").value == [
        {"rank": 0, "wroteAt": "2025-11-24T16:00:00.000Z", "logged": [{"time": "2025-11-24T16:00:00.000Z", "at": 3.0}]},
        {"rank": 1, "wroteAt": "", "logged": []},
    ]
