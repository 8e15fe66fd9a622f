"""What this engine asks of a cluster: the kinds it uses, and the rights of whoever submits and of what runs there.

Kept beside the code that makes the requests: a verb that is used and missing here is one that a check of a context
does not find.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.kube.failures import Rule
from fairlead.kube.resources import (
    CLUSTER_QUEUE,
    JOB,
    LOCAL_QUEUE,
    RESOURCE_CLAIM_TEMPLATE,
    RESOURCE_FLAVOR,
    WORKLOAD,
    Kind,
)
from fairlead.specs.contexts import Context
from fairlead.targets.flow_table import FLOWS, flow_target
from fairlead.targets.flows import FlowTarget
from fairlead.targets.training.table import resources_of
from fairlead.targets.training.target import Target

COMPONENTS: dict[Kind, str] = {JOB: "Kubernetes itself"}
"""The kinds that every run may need beside what it becomes, and what serves them."""

QUEUE_COMPONENTS: dict[Kind, str] = {LOCAL_QUEUE: "Kueue", WORKLOAD: "Kueue"}
"""Those of runs in a queue."""

CLAIM_COMPONENTS: dict[Kind, str] = {RESOURCE_CLAIM_TEMPLATE: "Kubernetes 1.34 or newer"}
"""Those of runs that claim devices."""

_LAUNCHING = (
    *(Rule(verb, "argoproj.io", "workflows") for verb in ("create", "get", "list", "patch", "watch")),
    *(Rule(verb, "", "pods") for verb in ("list", "watch")),
)

SUBMITTING: tuple[Rule, ...] = (
    *_LAUNCHING,
    Rule("delete", "argoproj.io", "workflows"),
    Rule("get", "", "pods/log"),
)
"""Of whoever submits runs: create one once, follow it and what its pods wait for, read logs as they come, cancel it,
and remove what it has left."""

WITNESSING: tuple[Rule, ...] = (Rule("list", "", "events"), Rule("get", "batch", "jobs"))
"""Beside those, so that what is kept of a pod that fares badly has its events, and says whether a queue took it."""

ENDING: tuple[Rule, ...] = (Rule("patch", "", "pods/status"),)
"""Beside those, to end steps that can't be scheduled, where a policy asks for that."""

FITTING: tuple[Rule, ...] = (Rule("list", "", "nodes"),)
"""In the whole cluster, to say that a step fits on no node."""

QUEUES: tuple[Kind, ...] = (WORKLOAD, LOCAL_QUEUE, CLUSTER_QUEUE, RESOURCE_FLAVOR)
"""What is read to know who stands in queues, and before what."""

SEEING_WAITS: tuple[Rule, ...] = (
    Rule("list", "", "pods"),
    *(Rule("list", each.group, each.plural) for each in QUEUES),
    *FITTING,
)
"""In the whole cluster, of a recorder that says why steps wait to those who may not read nodes and queues."""

_OF_RUNS = [(each.resource.group, each.resource.plural) for each in FLOWS.values()]

RECORDING: tuple[Rule, ...] = (
    *(Rule(verb, "", "pods") for verb in ("list", "watch")),
    *(Rule(verb, *each) for each in _OF_RUNS for verb in ("list", "watch")),
    Rule("get", "", "pods/log"),
    *WITNESSING,
)
"""Of a recorder: it reads."""

_REPORTING = tuple(Rule(verb, "argoproj.io", "workflowtaskresults") for verb in ("create", "patch"))

RUNNING: tuple[Rule, ...] = _REPORTING
"""Of the ServiceAccount of steps: Argo's executor reports by it. Steps themselves ask nothing of the cluster."""

DRIVING: tuple[Rule, ...] = (
    *(Rule(verb, "batch", "jobs") for verb in ("create", "get", "list", "delete")),
    *(Rule(verb, "", "services") for verb in ("create", "get", "delete")),
    *_LAUNCHING,
    *_REPORTING,
)
"""Of the ServiceAccount of drivers, and of pods that wait for gangs, create the workflows of parts, or launch what is
published: what they call, the gangs themselves, the parts, and the runs, which they submit and follow as people do."""

SCHEDULING: tuple[Rule, ...] = (
    *(Rule(verb, "argoproj.io", "cronworkflows") for verb in ("create", "delete", "get", "list", "patch")),
    *(Rule(verb, "argoproj.io", "workflowtemplates") for verb in ("create", "delete", "get", "patch")),
)
"""Of whoever adds, changes and removes schedules."""

TELLING_QUEUES: tuple[Rule, ...] = (Rule("list", "kueue.x-k8s.io", "workloads"),)
"""Of drivers too, where runs have a queue: to say what a gang waits for."""

CLAIMING: tuple[Rule, ...] = tuple(
    Rule(verb, "resource.k8s.io", "resourceclaimtemplates") for verb in ("create", "get")
)
"""Of whoever submits runs, and of drivers, where a context's hardware has devices that are claimed."""

SHARING: tuple[Rule, ...] = tuple(Rule(verb, "", "persistentvolumeclaims") for verb in ("create", "get", "patch"))
"""Of whoever submits runs, and of drivers, where steps have a volume made that lasts as the run does."""

TRYING: tuple[Rule, ...] = (
    *(Rule(verb, "batch", "jobs") for verb in ("create", "get", "delete")),
    Rule("list", "", "pods"),
    Rule("get", "", "pods/log"),
)
"""Of whoever checks a context with a pod."""

ENTERING: tuple[Rule, ...] = (
    *(Rule(verb, "", f"pods/{each}") for each in ("exec", "attach", "portforward") for verb in ("get", "create")),
    *(Rule(verb, "batch", "jobs") for verb in ("create", "get", "delete")),
)
"""Of whoever looks into pods, and debugs in one of his own; runs do without. Servers before 1.35 ask for the verb
``get`` where a WebSocket is opened, later ones for ``create``, too.

Source: https://github.com/kubernetes/kubernetes/pull/134577
"""


def submitting(flow: FlowTarget) -> tuple[Rule, ...]:
    """Return the rights of whoever submits runs, where these become what a target makes of them."""
    first, own = flow_target({}).resource, flow.resource
    theirs = (first.group, first.plural)
    return tuple(
        Rule(rule.verb, own.group, own.plural) if (rule.group, rule.resource) == theirs else rule for rule in SUBMITTING
    )


def within(flow: FlowTarget, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rights of what runs in a cluster, where runs become what a target makes of them.

    Only Argo's executor, and pods that create parts or launch runs, ask for kinds of Argo's.
    """
    first = flow_target({})
    return tuple(rule for rule in rules if flow is first or rule.group != first.resource.group)


def running_gangs(targets: Iterable[Target], context: Context) -> tuple[Rule, ...]:
    """Return what drivers may do beside that, for some targets of steps with ranks in a context."""
    created = (each for target in targets for each in resources_of(target, context))
    resources = dict.fromkeys((each.group, each.plural) for each in created)
    found = (Rule(verb, *each) for each in resources for verb in ("create", "get", "list", "delete"))
    return tuple(rule for rule in found if rule not in DRIVING)
