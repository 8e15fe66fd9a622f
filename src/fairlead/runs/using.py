"""What steps asked for and used, by the records that attempts left: of the newest runs, and so many of each step.

Records hold the most memory of an attempt's process, its CPU seconds and how long it took; of GPUs they hold nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fairlead.errors import FairleadError, NotFoundError, nearest
from fairlead.planner.usage import Usage
from fairlead.runs.earlier import Earlier, ended_runs
from fairlead.specs.reports import NotRead
from fairlead.specs.runtimes import Single, Standing
from fairlead.specs.steps import Step, SweepStep
from fairlead.store.backends import Backend, at_once
from fairlead.store.evidence import all_explained
from fairlead.store.history import read_compacted, read_spec
from fairlead.store.records import AttemptRecord, Called, Ended, Observation, RunSpec

ATTEMPTS_ENOUGH = 200
"""Attempts that are read of each step, the newest runs' first."""
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


def used_by(backend: Backend, flows: Iterable[str], gaps: list[NotRead]) -> list[Used]:
    """Return what the steps of flows used.

    Args:
        backend: The store.
        flows: The flows' names; all flows where there are none.
        gaps: Runs that can't be read are added to these.

    Raises:
        NotFoundError: No run of such a flow has ended.
    """
    wanted = list(dict.fromkeys(flows))
    runs = [each for flow in wanted or [""] for each in ended_runs(backend, flow)]
    found = {each.flow for each in runs}
    for flow in wanted:
        if flow not in found:
            known = {each.flow for each in ended_runs(backend)}
            raise NotFoundError(
                f"no run of a flow {flow!r} has ended",
                next=f"fairlead ps -a   ({nearest(flow, known) or 'no runs yet'})",
            )
    steps: dict[tuple[str, str], Used] = {}
    for run, read in zip(runs, at_once(lambda each: _read(backend, each), runs), strict=True):
        if isinstance(read, NotRead):
            gaps.append(read)
            continue
        spec, observations = read
        definitions = dict(_definitions(spec, observations))
        for each in observations:
            if isinstance(each, Ended) and (step := definitions.get(each.record.step)) is not None:
                used = steps.setdefault((run.flow, each.record.step), Used(run.flow, each.record.step, spot=step.spot))
                _add(used, step, each.record)
    return list(steps.values())


def _read(backend: Backend, run: Earlier) -> tuple[RunSpec, list[Observation]] | NotRead:
    try:
        return read_spec(backend, run.run), all_explained(read_compacted(backend, run.run))
    except FairleadError as error:  # removed meanwhile, or damaged
        return NotRead(what=f"run {run.run}", why=error.what)


def _definitions(spec: RunSpec, observations: Iterable[Observation]) -> Iterator[tuple[str, Step]]:
    """Yield the steps by the names that their instances have in records."""
    for step in spec.graph.steps.values():
        if isinstance(step, SweepStep) and step.trial in spec.graph.steps:
            trial = spec.graph.steps[step.trial]
            yield trial.name, trial
    for node in spec.graph.nodes:
        if node.step in spec.graph.steps:  # of a run that went on only those that were left are there
            yield node.title, spec.graph.steps[node.step]
    for each in observations:
        if isinstance(each, Called):
            yield each.step, each.definition


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
            cpu_used_millis=round(1000 * record.cpu_s / seconds) if record.cpu_s is not None and seconds else None,
            memory_used_bytes=record.peak_memory_bytes,
            killed=record.error is not None and record.error.type == OUT_OF_MEMORY,
            failed=record.status != "succeeded",
        )
    )
