"""Jobs as runs of this store were: each attempt that has ended is one, that came when it began."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from fairlead.errors import NotFoundError
from fairlead.planner.nodes import GPU_MILLIS, Node
from fairlead.planner.workloads import Demand, Job
from fairlead.runs.settings import open_store
from fairlead.runs.using import Tried, attempts_of
from fairlead.specs.accelerators import AcceleratorModel
from fairlead.specs.capacity import NotRead
from fairlead.specs.runtimes import node_count
from fairlead.specs.steps import Step

_MIB = 1 << 20


def jobs_of_runs(flows: Sequence[str], nodes: Sequence[Node], notes: list[str]) -> tuple[Job, ...]:
    """Return the attempts of the newest runs of flows as jobs, in the order in which they began.

    Seconds count from the first. A gang is a job of as many pods, and so is a cluster of a framework, of pods that ask
    for what the step does. Of a step on slices of GPUs or of TPUs there is none, which is noted.

    Args:
        flows: The flows; all of the store where there are none.
        nodes: The nodes that they are to be placed on, by whose models of GPUs theirs are known.
        notes: What could not be read, or is left out, is added to these.

    Raises:
        NotFoundError: No run of such a flow has ended, or none has an attempt that can be a job.
        StoreError: The store can't be read.
    """
    store = open_store()
    gaps: list[NotRead] = []
    models = {node.model for node in nodes if node.model}
    found: list[tuple[Tried, Demand]] = []
    left_out: Counter[str] = Counter()
    for tried in attempts_of(store.backend, flows, gaps):
        if why := _why_none(tried.step):
            left_out[f"{tried.run.flow}/{tried.name}: {why}"] += 1
        else:
            found.append((tried, _demand(tried.step, models)))
    notes += (f"{each.what}: {each.why}" for each in gaps)
    notes += (f"{what}; {count} left out" for what, count in sorted(left_out.items()))
    if not found:
        raise NotFoundError("no attempt of these runs can be a job", where=store.url, why="; ".join(sorted(left_out)))
    found.sort(key=lambda each: (each[0].record.started, each[0].run.run, each[0].record.step, each[0].record.index))
    first = found[0][0].record.started
    return tuple(_job(tried, demand, first) for tried, demand in found)


def _why_none(step: Step) -> str:
    asked = step.resources.accelerator
    if asked is not None and asked.mig_profile is not None:
        return "a slice of a GPU has no place here"
    if asked is not None and asked.topology is not None:
        return "a slice of TPUs has no place here"
    return ""


def _job(tried: Tried, demand: Demand, first: float) -> Job:
    record = tried.record
    return Job(
        name=f"{tried.run.run}/{record.step}.{record.index}.{record.number}",
        demand=demand,
        pods=node_count(tried.step.runtime),
        arrival_s=int(record.started - first),
        duration_s=max(1, round(record.finished - record.started)),
        queue=tried.step.queue or "",
    )


def _demand(step: Step, models: Iterable[str]) -> Demand:
    """Return what a pod of a step asks for."""
    resources = step.resources
    asked = resources.accelerator
    return Demand(
        cpu_millis=resources.cpu_millis,
        memory_mib=-(-(resources.memory_bytes or 0) // _MIB),
        gpus=0 if asked is None else asked.count,
        gpu_millis=0 if asked is None else GPU_MILLIS,
        models=() if asked is None else _models(asked.model, models),
    )


def _models(model: AcceleratorModel, known: Iterable[str]) -> tuple[str, ...]:
    """Return the nodes' names for a model: ``H100`` is ``NVIDIA-H100-80GB-HBM3`` too; its own where none has it."""
    names = {model.name.lower(), *(alias.lower() for alias in model.aliases)}
    found = [each for each in known if names & {each.lower(), *re.split(r"[-_ ]", each.lower())}]
    return tuple(sorted(found)) or (model.name,)
