"""What this engine asks of a cluster: the kinds it uses, and the rights of whoever submits and of what runs there.

Kept beside the code that makes the requests: a verb that is used and missing here is one that a check of a context
does not find.
"""

from __future__ import annotations

from fairlead.kube.failures import Rule
from fairlead.kube.resources import JOB, LOCAL_QUEUE, WORKFLOW, WORKLOAD, Kind

COMPONENTS: dict[Kind, str] = {WORKFLOW: "Argo Workflows 3.5 or newer", JOB: "Kubernetes itself"}
"""The kinds that every run may need, and what serves them."""

QUEUE_COMPONENTS: dict[Kind, str] = {LOCAL_QUEUE: "Kueue", WORKLOAD: "Kueue"}
"""Those of runs in a queue."""

SUBMITTING: tuple[Rule, ...] = (
    *(Rule(verb, "argoproj.io", "workflows") for verb in ("create", "get", "list", "patch", "watch")),
    *(Rule(verb, "", "pods") for verb in ("list", "watch")),
    Rule("get", "", "pods/log"),
)
"""Of whoever submits runs: create one once, follow it and what its pods wait for, read logs as they come, cancel."""

WITNESSING: tuple[Rule, ...] = (Rule("list", "", "events"), Rule("get", "batch", "jobs"))
"""Beside those, so that what is kept of a pod that fares badly has its events, and says whether a queue took it."""

ENDING: tuple[Rule, ...] = (Rule("patch", "", "pods/status"),)
"""Beside those, to end steps that can't be scheduled, where a policy asks for that."""

FITTING: tuple[Rule, ...] = (Rule("list", "", "nodes"),)
"""In the whole cluster, to say that a step fits on no node."""

RECORDING: tuple[Rule, ...] = (
    *(Rule(verb, "", "pods") for verb in ("list", "watch")),
    *(Rule(verb, "argoproj.io", "workflows") for verb in ("list", "watch")),
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
    *_REPORTING,
)
"""Of the ServiceAccount of drivers, and of pods that wait for gangs: what they call, and the gangs themselves."""

TELLING_QUEUES: tuple[Rule, ...] = (Rule("list", "kueue.x-k8s.io", "workloads"),)
"""Of drivers too, where runs have a queue: to say what a gang waits for."""

TRYING: tuple[Rule, ...] = (
    *(Rule(verb, "batch", "jobs") for verb in ("create", "get", "delete")),
    Rule("list", "", "pods"),
    Rule("get", "", "pods/log"),
)
"""Of whoever checks a context with a pod."""
