"""Names and labels of what is created: functions of run, step and generation, so that a name is made once only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph

PREFIX = "fairlead.dev/"
RUN = PREFIX + "run"
FLOW = PREFIX + "flow"
STEP = PREFIX + "step"
NODE = PREFIX + "node"
ITEM = PREFIX + "item"
ITEMS = PREFIX + "items"
"""The annotation of pods that only know their place among some items of a node: which items those are."""
ALL_ITEMS = "*"
"""What stands there for all of them, in order."""
GENERATION = PREFIX + "generation"
SCRATCH = PREFIX + "scratch"
"""The label of a workflow's pods that have claims of their own: they go as soon as they have succeeded."""
PART = PREFIX + "part"
"""The label of a workflow that is a part of a run: which one."""
OWNER = PREFIX + "owner"
SCHEDULE = PREFIX + "schedule"
CALL = PREFIX + "call"
"""The annotation of a called step's pods: the instance, ``step.index``. Labels can't hold the name of every step."""
GANG = PREFIX + "gang"
"""The annotation of a gang's pods: the attempt, ``step.index.number``."""
PUBLISHED = PREFIX + "published"
"""The annotation of what launches a published flow: which publication, ``flow/digest``."""
ORDER = PREFIX + "order"
"""The annotation with the digest of the object as it was sent: who finds the name taken compares it."""

REPLICA = "training.kubeflow.org/replica-index"
"""The label in which the Kubeflow Training Operator gives a pod its index."""
NODE_OF_GANG = PREFIX + "node-of-gang"
"""The annotation of a pod that says so itself, where its component does not."""
FIRST_NODE = PREFIX + "first-node"
"""An annotation: which node of its gang the first pod of a role is, where a component counts each role from 0."""

_NODE_OF_GANG = ("batch.kubernetes.io/job-completion-index", REPLICA, NODE_OF_GANG)
"""Where the kinds of objects that gangs become write down which of their pods one is."""
_TASK_RUN = "tekton.dev/taskRun"

NAME_MAX = 63
"""The longest DNS label, and the longest value of a label."""
_JOB_MAX = 52
"""The longest name of a job whose pods have names of their own: a host's name is the job's with an index."""
_GANG_MAX = 43
"""That of a gang: its pods' names are a host's, and begin with it: ``…-node-0-999-abcde``, ``…-worker-999``."""
_MARK = 8


def run_name(submission: Submission, part: str = "") -> str:
    """Return the name of a run's object, ``digits-20261123-141256-k3f9x-1``, or of a part's: ``…-1-p3``."""
    suffix = f"-{submission.run}-{submission.generation}{part and '-'}{part}"
    return dns_label(submission.flow, NAME_MAX - len(suffix)) + suffix


def job_name(submission: Submission, step: str, *numbers: int, longest: int = _JOB_MAX) -> str:
    """Return the name of a job of one instance: ``fit-20261123-141256-k3f9x-1-0``.

    It begins with a letter, as the name of a Service must.
    """
    suffix = "".join(f"-{each}" for each in (submission.run, submission.generation, *numbers))
    return dns_label(step, longest - len(suffix)) + suffix


def gang_name(submission: Submission, step: str, index: int, number: int) -> str:
    """Return the name of what an attempt of a step with ranks becomes: ``fit-20261123-141256-k3f9x-1-0-1``."""
    return job_name(submission, step, index, number, longest=_GANG_MAX)


def claim_name(submission: Submission, digest: str) -> str:
    """Return the name of the template of a claim, by the digest of what it says: ``claim-…-k3f9x-1-0a1b2c3d``."""
    return f"claim-{submission.run}-{submission.generation}-{digest[:_MARK]}"


def volume_name(submission: Submission, volume: str) -> str:
    """Return the name of a claim that the steps of a run share: ``scratch-20261123-141256-k3f9x``."""
    suffix = f"-{submission.run}"
    return dns_label(volume, NAME_MAX - len(suffix)) + suffix


def dns_label(name: str, length: int = NAME_MAX, *, taken: tuple[str, ...] = ()) -> str:
    """Return a name as a DNS label that begins with a letter; different names stay different.

    Args:
        name: Any text.
        length: How many characters the label has at most; 10 or more.
        taken: Labels that are somebody else's.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
    plain = plain if plain[0].isalpha() else f"x{plain}"
    if plain == name and len(plain) <= length and plain not in taken:
        return plain
    mark = digest_bytes(name.encode())[:_MARK]
    return f"{plain[: length - _MARK - 1].rstrip('-')}-{mark}"


def label_value(text: str) -> str:
    """Return a text as a label's value: what one can't hold becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text).strip("-_.")[:NAME_MAX].rstrip("-_.")


def run_labels(submission: Submission) -> dict[str, str]:
    """Return the labels of everything that belongs to a run."""
    owner = label_value(submission.user)
    return {
        **submission.context.labels,
        **submission.labels,
        "app.kubernetes.io/managed-by": "fairlead",
        RUN: submission.run,
        FLOW: label_value(submission.flow),
        GENERATION: str(submission.generation),
        **({OWNER: owner} if owner else {}),
    }


def marked(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the digest of what it is."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), ORDER: digest_bytes(as_json(manifest))}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def as_json(manifest: Any) -> bytes:
    """Return an object as it is digested and measured: JSON whose keys are in order."""
    return msgspec.json.encode(manifest, order="deterministic")


def gang_node(pod: Mapping[str, Any]) -> int | None:
    """Return the number of the node of its gang that a pod is, or None where nothing says it."""
    metadata = pod["metadata"]
    told = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    index = next((int(told[each]) for each in _NODE_OF_GANG if each in told), None)
    return None if index is None else index + int(told.get(FIRST_NODE, 0))


def instance_of(pod: Mapping[str, Any], graph: Graph) -> tuple[str, int] | None:
    """Return the name and index of the instance that a pod runs, or None where it runs none of its own."""
    metadata = pod["metadata"]
    called = metadata.get("annotations", {}).get(CALL)
    if called is not None:
        name, _, index = called.rpartition(".")
        return name, int(index)
    labels = metadata.get("labels", {})
    if NODE not in labels:
        return None
    node = graph.nodes[int(labels[NODE])]
    items = metadata.get("annotations", {}).get(ITEMS)
    item = labels.get(ITEM, 0) if items is None else _item_of_matrix(labels, items.split(","))
    return node.title, node.index + int(item)


def _item_of_matrix(labels: Mapping[str, str], items: Sequence[str]) -> str:
    """Return the item of a pod of a Tekton matrix: names of its runs end with their places, where there are several."""
    text = labels.get(_TASK_RUN, "").rpartition("-")[2]
    place = int(text) if text.isdigit() else 0
    if items == [ALL_ITEMS]:
        return str(place)
    return items[place] if len(items) > 1 and place < len(items) else items[0]
