"""What steps asked for and used, by the records that attempts left: of the newest runs, and so many of each step.

Records hold how long an attempt took, the most memory of its process and its CPU seconds; none hold anything of GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fairlead.errors import FairleadError, NotFoundError, nearest
from fairlead.planner.usage import Usage
from fairlead.runs.earlier import Earlier, ended_runs
from fairlead.specs.capacity import NotRead
from fairlead.specs.runtimes import Single, Standing
from fairlead.specs.steps import Step
from fairlead.store.backends import Backend, at_once
from fairlead.store.evidence import all_explained
from fairlead.store.history import read_compacted, read_spec
from fairlead.store.records import AttemptRecord, Called, Ended, Observation, RunSpec

ATTEMPTS_ENOUGH = 200
"""Attempts that are read of each step, the newest runs' first."""
_SECONDS_LEAST = 1.0
"""An attempt that took less says nothing of the CPU that its step wants: its process started in that time."""
OUT_OF_MEMORY = "Memory"
"""The type of the error of an attempt that was killed for want of memory, here and on a cluster."""


@dataclass
class Used:
    """A step, or a workload.

    Args:
        flow: Its flow; empty for a workload.
        step: Its name.
        usages: What its attempts asked for and used, the newest run's first.
        unknown: Why that does not say what it needs; empty where it does.
        spot: Whether it may be on nodes that may be reclaimed.
    """

    flow: str
    step: str
    usages: list[Usage] = field(default_factory=list)
    unknown: str = ""
    spot: bool = False


class Tried(NamedTuple):
    """An attempt that has ended, of a step of a run."""

    run: Earlier
    name: str
    step: Step
    record: AttemptRecord


def used_by(backend: Backend, flows: Iterable[str], gaps: list[NotRead]) -> list[Used]:
    """Return what the steps of flows used. Arguments and errors are those of `attempts_of`."""
    steps: dict[tuple[str, str], Used] = {}
    for run, name, step, record in attempts_of(backend, flows, gaps):
        _add(steps.setdefault((run.flow, name), Used(run.flow, name, spot=step.spot)), step, record)
    return list(steps.values())


def attempts_of(backend: Backend, flows: Iterable[str], gaps: list[NotRead]) -> Iterator[Tried]:
    """Yield the attempts of the newest runs of flows, the newest run's first.

    Args:
        backend: The store.
        flows: The flows' names; all flows where there are none.
        gaps: Runs that can't be read are added to these.

    Raises:
        NotFoundError: No run of such a flow has ended.
    """
    wanted = list(dict.fromkeys(flows))
    runs = [each for flow in wanted or [""] for each in ended_runs(backend, flow)]
    ended = {each.flow for each in runs}
    for flow in wanted:
        if flow not in ended:
            known = {each.flow for each in ended_runs(backend)}
            raise NotFoundError(
                f"no run of a flow {flow!r} has ended",
                next=f"fairlead ps -a   ({nearest(flow, known) or 'no runs yet'})",
            )
    for run, read in zip(runs, at_once(lambda each: _read(backend, each), runs), strict=True):
        if isinstance(read, NotRead):
            gaps.append(read)
            continue
        spec, observations = read
        definitions = _Definitions(spec, observations)
        for each in observations:
            if isinstance(each, Ended) and (found := definitions.find(each.record)) is not None:
                yield Tried(run, *found, each.record)


def _read(backend: Backend, run: Earlier) -> tuple[RunSpec, list[Observation]] | NotRead:
    try:
        return read_spec(backend, run.run), all_explained(read_compacted(backend, run.run))
    except FairleadError as error:  # removed meanwhile, or damaged
        return NotRead(what=f"run {run.run}", why=error.what)


class _Definitions:
    """The steps of a run, and the names that they have here: a second set of options of a step is one of its own."""

    def __init__(self, spec: RunSpec, observations: Iterable[Observation]) -> None:
        steps = spec.graph.steps
        self._calls = {(each.step, each.index): each.definition for each in observations if isinstance(each, Called)}
        self._nodes: dict[str, list[tuple[int, str, Step]]] = {}
        for node in spec.graph.nodes:
            if node.step in steps:  # of a run that went on only those that were left are there
                step = steps[node.step]
                name = node.step if node.title == step.name else node.title
                self._nodes.setdefault(node.title, []).append((node.index, name, step))

    def find(self, record: AttemptRecord) -> tuple[str, Step] | None:
        """Return the name and the step of an attempt; None where the run's spec does not have it."""
        call = self._calls.get((record.step, record.index))
        if call is not None:
            return record.step, call
        before = [each for each in self._nodes.get(record.step, ()) if each[0] <= record.index]
        _, name, step = max(before, key=lambda each: each[0], default=(0, "", None))
        return None if step is None else (name, step)


def _add(used: Used, step: Step, record: AttemptRecord) -> None:
    if not isinstance(step.runtime, Single | Standing):
        used.unknown = "it has several nodes, and what each of them used is not recorded"
    if len(used.usages) >= ATTEMPTS_ENOUGH:
        return
    seconds = max(0.0, record.finished - record.started)
    used.usages.append(
        Usage(
            workload=used.step,
            seconds=seconds,
            cpu_request_millis=step.resources.cpu_millis,
            memory_request_bytes=step.resources.memory_bytes,
            cpu_used_millis=_mean_millis(record.cpu_s, seconds),
            memory_used_bytes=record.peak_memory_bytes,
            killed=record.error is not None and record.error.type == OUT_OF_MEMORY,
            failed=record.status != "succeeded",
        )
    )


def _mean_millis(cpu_s: float | None, seconds: float) -> int | None:
    return None if cpu_s is None or seconds < _SECONDS_LEAST else round(1000 * cpu_s / seconds)
