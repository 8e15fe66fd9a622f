"""What of a run is still to run: where it goes on, nothing else has to be possible."""

from __future__ import annotations

import msgspec

from fairlead.specs.graphs import Graph
from fairlead.specs.steps import SweepStep
from fairlead.store.backends import Backend
from fairlead.store.history import read_progress
from fairlead.store.records import RunSpec


def remaining(backend: Backend, spec: RunSpec) -> Graph:
    """Return a run's graph with those definitions alone of which an instance has not succeeded or been skipped."""
    progress = read_progress(backend, spec, resume=True)
    opened = {
        node.step
        for number, node in enumerate(spec.graph.nodes)
        if not progress.is_expanded(number) or not all(each.ended for each in progress.instances_of(number))
    }
    trials = {step.trial for key in opened if isinstance(step := spec.graph.steps[key], SweepStep)}
    kept = {key: step for key, step in spec.graph.steps.items() if key in opened | trials}
    return msgspec.structs.replace(spec.graph, steps=kept)
