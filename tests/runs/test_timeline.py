"""The timeline: each fact once, calls beside their steps, what people asked among them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairlead.errors import NotFoundError
from fairlead.runs.timeline import read_timeline
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Folder
from fairlead.store.history import write_event
from fairlead.store.journal import Journal
from fairlead.store.layout import spec_key
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Called,
    Claim,
    Ended,
    Event,
    Outcome,
    RunSpec,
    RunStatusChanged,
    Started,
    Superseded,
    encode,
)

RUN = "20261123-141256-k3f9x"


@pytest.fixture
def backend(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.create(spec_key(RUN), encode(RunSpec(run=RUN, created=1.0, graph=Graph(flow="work", steps={}, nodes=()))))
    return folder


def test_every_kind_is_told_in_order_and_once(backend: Folder) -> None:
    step = FunctionStep(name="fit", function="flow:fit")
    error = ErrorReport(type="ValueError", message="no\nmore")
    record = AttemptRecord(
        step="fit", index=0, number=1, status="failed", started=11.0, finished=13.5, error=error, retry=True, rank=2
    )
    observations = [
        RunStatusChanged(status="running", time=10.0),
        Started(step="drive", index=0, number=1, time=10.0),
        Called(
            parent="drive.0",
            identity="x",
            position=0,
            step="fit",
            index=0,
            definition=step,
            inputs={},
            line="flow.py:9",
        ),
        Started(step="fit", index=0, number=1, time=11.0),
        Ended(record=record),
        Cached(step="load", index=3, entry=CacheEntry(outcome=Outcome(), run="r1", step="load", index=4), time=12.0),
        Superseded(step="load", index=3, time=14.0),
        RunStatusChanged(status="failed", time=20.0, reason="fit failed"),
    ]
    journal = Journal(backend, RUN, Claim(number=1, host="", boot="", pid=1, process_started="", time=9.0))
    for _ in range(2):  # as a merge that was killed leaves them
        for observation in observations:
            journal.add(observation)
        journal.flush()
    write_event(backend, RUN, Event(kind="label", time=12.5, user="ann", labels={"a": "b"}))
    write_event(backend, RUN, Event(kind="cancel", time=15.0))
    found = [
        (re.sub(r".*T00:00:|Z", "", each.time), each.kind, each.step, each.message)
        for each in read_timeline(backend, RUN)
    ]
    assert found == [
        ("10.000", "run", None, "the run is running"),
        ("10.000", "started", "drive", "attempt 1 started"),
        ("11.000", "called", "fit", "called by drive/0 at flow.py:9"),
        ("11.000", "started", "fit", "attempt 1 started"),
        ("12.000", "cached", "load", "found in the cache; computed by r1/load/4"),
        ("12.500", "label", None, "labels set by ann: a=b"),
        ("13.500", "ended", "fit", "attempt 1 failed after 2.5 s: ValueError: no (rank 2); it is tried again"),
        ("14.000", "superseded", "load", "what it produced does not count any more: its code has changed"),
        ("15.000", "cancel", None, "cancel was asked for"),
        ("20.000", "run", None, "the run is failed: fit failed"),
    ]


def test_a_run_that_is_not_there_has_no_timeline(backend: Folder) -> None:
    with pytest.raises(NotFoundError, match="there is no run"):
        read_timeline(backend, "20200101-000000-bbbbb")
