"""The queues of a cluster, read from a file of Kueue's objects, and which of them jobs wait in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.errors import Fault, SpecError, UsageError, nearest
from fairlead.planner.admitting import nodes_of
from fairlead.planner.nodes import Node
from fairlead.planner.workloads import Job
from fairlead.queues.manifests import Setup, read_setup
from fairlead.runs.tables import first_shown
from fairlead.specs import documents

_BETWEEN = re.compile(r"^---\s*$", re.MULTILINE)
_ADVICE = "kubectl get clusterqueues,cohorts,resourceflavors -o yaml"


def read_queues(file: Path, nodes: Sequence[Node]) -> Setup:
    """Return the queues that a file describes, with notes about flavors that no node is of.

    Args:
        file: YAML or JSON, of one object or more.
        nodes: The nodes.

    Raises:
        UsageError: It can't be read, or has no ClusterQueue.
        SpecError: It is neither YAML nor JSON, or an object in it can't be.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("a file can't be read", where=str(file), why=str(error)) from error
    parsed: list[Any] = [documents.parse(part, source=str(file)) for part in _BETWEEN.split(text) if part.strip()]
    found = read_setup([each for each in parsed if isinstance(each, dict)], str(file))
    if not found.queues:
        raise UsageError("there is no ClusterQueue", where=str(file), next=f"{_ADVICE} > {file.name}")
    alone = [name for name, labels in sorted(found.flavors.items()) if not nodes_of(labels, nodes).any()]
    why = "no node has its labels, so no job that is given it begins"
    return found._replace(notes=(*found.notes, *(f"{file}: ResourceFlavor {name}: {why}" for name in alone)))


def queued(jobs: Sequence[Job], setup: Setup, source: Path | str) -> tuple[Job, ...]:
    """Return jobs with their queues: the only one there is, where they name none.

    Raises:
        SpecError: A job names a queue that is not there, or none where there are several.
    """
    known = [each.name for each in setup.queues]
    only = known[0] if len(known) == 1 else ""
    found, faults = [], []
    for job in jobs:
        name = job.queue or only
        if name not in known:
            faults.append(Fault(f"job {job.name}", _unknown(name, known)))
        found.append(job if job.queue else msgspec.structs.replace(job, queue=name))
    if faults:
        raise SpecError(str(source), first_shown(faults), next="name a ClusterQueue in the column queue")
    return tuple(found)


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"there is no ClusterQueue {name!r}: {nearest(name, known)}" if name else "names no queue"
