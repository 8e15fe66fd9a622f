"""Machines whose clocks differ share a store: who is alive, what counts and what is gone does not depend on them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from fairlead.errors import StoreError
from fairlead.runs.cancelling import cancel
from fairlead.runs.times import seconds_between
from fairlead.specs.graphs import Graph
from fairlead.store import claims, clocks
from fairlead.store.backends import Folder
from fairlead.store.catalog import latest_by_run, note_transition, runs_by_start
from fairlead.store.journal import Journal
from fairlead.store.layout import run_prefix, spec_key
from fairlead.store.records import Claim, RunSpec, RunStatusChanged, encode

RUN = "20261124-080000-abcde"
OFF_S = (600.0, -600.0)


@pytest.fixture
def backend(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "store")


def elsewhere(backend: Folder, silent_s: float) -> Claim:
    """Have the driver of a run on another machine, whose last sign of life is some seconds old."""
    claim = msgspec.structs.replace(claims.new_claim(1, now=0.0), host="elsewhere")
    backend.create(f"{run_prefix(RUN)}claims/000001", encode(claim))
    claims.beat(backend, RUN, claim)
    for each in (backend.root / run_prefix(RUN) / "claims").iterdir():
        os.utime(each, (time.time() - silent_s,) * 2)
    return claim


@pytest.mark.parametrize("off_s", OFF_S)
@pytest.mark.parametrize(("silent_s", "lives"), [(1.0, True), (claims.SILENCE_S + 5, False)])
def test_a_driver_elsewhere_is_alive_by_the_clock_of_the_store(
    backend: Folder, monkeypatch: pytest.MonkeyPatch, off_s: float, silent_s: float, lives: bool
) -> None:
    claim = elsewhere(backend, silent_s)
    monkeypatch.setattr(time, "time", _shifted(time.time, off_s))
    assert claims.holder_lives(backend, RUN, claim) is lives


def test_the_clock_of_a_store_is_asked_once_and_goes_on(backend: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = clocks.store_time(backend)
    monkeypatch.setattr(backend, "put", _refuse)
    monkeypatch.setattr(time, "monotonic", _shifted(time.monotonic, 100.0))
    assert 100 <= clocks.store_time(backend) - first < 110


def test_in_a_store_that_can_only_be_read_this_machine_s_clock_counts(
    backend: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "put", _refuse)
    assert abs(clocks.store_time(backend) - time.time()) < 5


def test_a_run_is_removed_wherever_the_clock_of_who_did_so_puts_it(backend: Folder) -> None:
    for status, hour in (("removed", 8), ("running", 9), ("succeeded", 10)):
        note_transition(backend, RUN, "f", status, now=datetime(2026, 11, 24, hour, tzinfo=UTC))
    assert latest_by_run(backend) == runs_by_start(backend) == {}


def test_a_run_whose_driver_is_gone_is_cancelled_by_a_machine_whose_clock_is_behind(
    backend: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.create(spec_key(RUN), encode(RunSpec(run=RUN, created=0.0, graph=Graph(flow="f", steps={}, nodes=()))))
    claim = elsewhere(backend, 1000.0)
    journal = Journal(backend, RUN, claim)
    journal.add(RunStatusChanged(status="running", time=time.time()))
    journal.flush()
    monkeypatch.setattr(time, "time", _shifted(time.time, -600.0))
    assert cancel(backend, RUN, patience_s=1).status == "cancelled"


def test_no_run_takes_less_than_no_time() -> None:
    assert seconds_between("2026-11-24T08:10:00Z", "2026-11-24T08:00:00Z") == 0.0
    assert seconds_between("2026-11-24T08:00:00Z", "2026-11-24T08:00:01Z") == 1.0


def _shifted(clock: Callable[[], float], by_s: float) -> Callable[[], float]:
    return lambda: clock() + by_s


def _refuse(*_: object) -> None:
    raise StoreError("this store can only be read")
