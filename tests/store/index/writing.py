"""Writes runs as their records, without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fairlead.specs.graphs import Graph, Node
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import FunctionStep
from fairlead.specs.values import Ref
from fairlead.store.backends import list_all
from fairlead.store.catalog import note_transition
from fairlead.store.claims import release, take_claim
from fairlead.store.history import write_event
from fairlead.store.journal import Journal
from fairlead.store.layout import run_prefix, spec_key
from fairlead.store.opened import Store
from fairlead.store.records import (
    AttemptRecord,
    Claim,
    Ended,
    Event,
    Outcome,
    RunSpec,
    RunStatusChanged,
    Started,
    Summary,
    encode,
)

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Runs:
    """Writes runs, each a minute after the one before."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0
        self.claims: dict[str, Claim] = {}

    @property
    def now(self) -> datetime:
        """When the newest run was created."""
        return BEGIN + timedelta(minutes=self.count)

    def start(
        self, flow: str = "digits", *, labels: Mapping[str, str] | None = None, user: str = "ana", **params: Any
    ) -> str:
        """Write a run of the steps load and fit under way: load has begun."""
        self.count += 1
        run = f"{self.now:%Y%m%d-%H%M%S}-bcdf{self.count % 10}"
        steps = {name: FunctionStep(name=name, function=f"m:{name}") for name in ("load", "fit")}
        graph = Graph(
            flow=flow, parameters=params, steps=steps, nodes=(Node(step="load"), Node(step="fit", after=(0,)))
        )
        spec = RunSpec(
            run=run, created=self.now.timestamp(), graph=graph, labels=dict(labels or {}), user=user, host="here"
        )
        self.store.backend.create(spec_key(run), encode(spec))
        self.claims[run] = take_claim(self.store.backend, run, now=self.now.timestamp())
        begun = RunStatusChanged(status="running", time=self.now.timestamp())
        self._observe(run, begun, Started(step="load", index=0, number=1, time=self.now.timestamp()))
        self.note(run, flow, "running", self.now)
        return run

    def end(self, run: str, status: str = "succeeded", *, flow: str = "digits", accuracy: float = 0.5) -> None:
        """Write how a run ended: load succeeded, and fit did or did not."""
        begin = self.now.timestamp()
        logged = {"accuracy": Summary(accuracy, accuracy / 2, accuracy * 2, 3)}
        loaded = AttemptRecord(
            step="load", index=0, number=1, status="succeeded", started=begin, finished=begin + 1.5,
            outcome=Outcome(outputs=(Ref(digest="a" * 64, format="json", size_bytes=1),)),
        )  # fmt: skip
        fitted = AttemptRecord(
            step="fit", index=0, number=1, status=status, started=begin + 2, finished=begin + 3,
            outcome=Outcome(metrics=logged),
            error=ErrorReport(type="ValueError", message="no\0 good") if status == "failed" else None,
        )  # fmt: skip
        self._observe(run, Ended(record=loaded), Ended(record=fitted), RunStatusChanged(status=status, time=begin + 4))
        release(self.store.backend, run, self.claims[run])
        self.note(run, flow, status, self.now + timedelta(seconds=4))

    def add(self, flow: str = "digits", status: str = "succeeded", *, accuracy: float = 0.5, **given: Any) -> str:
        """Write a run that has ended."""
        run = self.start(flow, **given)
        self.end(run, status, flow=flow, accuracy=accuracy)
        return run

    def label(self, run: str, **labels: str) -> None:
        """Label a run."""
        event = Event(kind="label", time=self.now.timestamp(), labels=labels)
        write_event(self.store.backend, run, event)

    def remove(self, run: str) -> None:
        """Remove a run."""
        for entry in list(list_all(self.store.backend, run_prefix(run))):
            self.store.backend.delete(entry.key)
        self.note(run, "digits", "removed", self.now + timedelta(seconds=9))

    def note(self, run: str, flow: str, status: str, moment: datetime) -> None:
        """Note a transition at some time."""
        note_transition(self.store.backend, run, flow, status, now=moment)

    def _observe(self, run: str, *observations: Any) -> None:
        journal = Journal(self.store.backend, run, self.claims[run])
        journal._serial = len(list(list_all(self.store.backend, run_prefix(run) + "observed/")))
        for each in observations:
            journal.add(each)
        journal.flush()
