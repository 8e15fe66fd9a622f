"""Workloads by what they say themselves: that they are suspended, invalid, late, or failed since a part of them did.

What is only a summary of what their pods show is a consequence: the answer where nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.insight.findings import Layer
from fairlead.insight.rules.operators import stated
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import SPARK_SAYS, event, has, rule, says, step
from fairlead.insight.states import last_begun, state_of
from fairlead.snapshots.snapshot import Snapshot, Thing

_JOBS = "https://kubernetes.io/docs/concepts/workloads/controllers/job/"

_ARGO = "https://argo-workflows.readthedocs.io/en/latest"
_SERVING = "https://knative.dev/docs/serving/"
_QUEUE = "kueue.x-k8s.io/queue-name"
_STOPPED = "kubeflow-resource-stopped"


_PAUSES = {"spec.suspend": True, "spec.runPolicy.suspend": True, "spec.paused": True, "spec.enabled": False}


def _paused(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload that somebody has suspended, and no queue."""
    suspended = thing.condition("Suspended")
    paused = next((path for path, on in _PAUSES.items() if thing.part(path).value is on), "")
    paused = paused or ("spec.replicas" if thing.number("spec.replicas") == 0 else "")
    is_said = suspended is not None and suspended.text("status") == "True"
    above = [owner for uid in thing.owners if (owner := snapshot.by_uid(uid))]
    queued = [each for each in (thing, *above) if each.mapping("metadata.labels").get(_QUEUE)]
    if not (paused or is_said) or queued or any(each.ref.kind == "Workload" for each in snapshot.below(thing)):
        return
    if above and paused == "spec.replicas":  # what owns it has it so: an earlier version, or one that nobody asks for
        return
    evidence = (*thing.cite(paused or "spec.suspend"), *(suspended.cite("reason", "message") if suspended else ()))
    is_on = {"spec.replicas": "0", "spec.enabled": "false"}.get(paused, "true")
    said = f"{paused} is {is_on}" if paused else "its condition Suspended is True"
    patch: object = {"spec.replicas": 1, "spec.enabled": True}.get(paused, False)
    for name in reversed((paused or "spec.suspend").split(".")):
        patch = {name: patch}
    words = {"kind": thing.ref.kind.lower(), "said": said, "patch": msgspec.json.encode(patch).decode()}
    yield Seen(evidence or thing.cite("metadata.name"), words, thing.text("metadata.creationTimestamp"))


def _shut_down(notebook: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a notebook that is stopped, as an annotation says."""
    if since := str(notebook.mapping("metadata.annotations").get(_STOPPED) or ""):
        words = {"said": f"{_STOPPED}={since}", "annotation": _STOPPED}
        yield Seen(notebook.cite("metadata.annotations"), words, since)


def _unqueued(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a suspended workload that names a queue, and that no queue knows of."""
    queue = str(thing.mapping("metadata.labels").get(_QUEUE) or "")
    is_below = any(snapshot.by_uid(uid) for uid in thing.owners)
    is_known = "workloads" in _unread(snapshot) or any(each.ref.kind == "Workload" for each in snapshot.below(thing))
    if queue and thing.part("spec.suspend").value is True and not is_below and not is_known:
        evidence = thing.cite("spec.suspend", "metadata.labels")
        yield Seen(evidence, {"queue": queue}, thing.text("metadata.creationTimestamp"))


def _unread(snapshot: Snapshot) -> set[str]:
    return {each.what for each in snapshot.meta.unread}


def _waiting_step(workflow: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workflow that waits for somebody to let it go on."""
    for name, each in workflow.mapping("status.nodes").items():
        if isinstance(each, dict) and (each.get("type"), each.get("phase")) == ("Suspend", "Running"):
            part = workflow.part("status.nodes").value[name]
            words = {"step": str(part.get("displayName") or name)}
            yield Seen(workflow.cite("status.phase"), words, str(part.get("startedAt") or ""), explains=name)


_IS_ACTIVE = event("JobAlreadyActive")


def _overlaps(schedule: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a schedule that was not to begin again while its last run went on, unless that has ended since."""
    last = last_begun(schedule, snapshot)
    if last is None or state_of(last, snapshot) not in ("succeeded", "failed"):
        yield from _IS_ACTIVE.find(schedule, snapshot)


RULES = (
    rule(
        "suspended",
        Layer.POLICY,
        Sign("paused", _paused),
        message="it is suspended: {said}",
        remedy="kubectl patch {kind} {name} -n {namespace} --type merge -p '{patch}'",
        source=f"{_JOBS}#suspending-a-job",
        kinds=(
            "Job",
            "CronJob",
            "Workflow",
            "CronWorkflow",
            "JobSet",
            "TrainJob",
            "RayJob",
            "Deployment",
            "StatefulSet",
            "PyTorchJob",
            "TFJob",
            "JAXJob",
            "MPIJob",
            "XGBoostJob",
            "SparkApplication",
            "ReplicaSet",
            "RayCluster",
            "ScheduledWorkflow",
            "ScheduledSparkApplication",
            "RayCronJob",
        ),
    ),
    rule(
        "suspended",
        Layer.POLICY,
        Sign("paused", _shut_down),
        message="it is stopped, by its owner or since nobody used it: {said}",
        remedy="start it in Kubeflow's page, or: kubectl annotate notebook {name} -n {namespace} {annotation}-",
        source="https://www.kubeflow.org/docs/components/notebooks/",
        kinds=("Notebook",),
    ),
    rule(
        "waits-for-approval",
        Layer.POLICY,
        Sign("steps", _waiting_step),
        message="its step {step} waits for somebody to let it go on",
        remedy="argo resume {name} -n {namespace}",
        source=f"{_ARGO}/walk-through/suspending/",
        kinds=("Workflow",),
    ),
    rule(
        "queue-does-not-answer",
        Layer.STRUCTURE,
        Sign("paused", _unqueued),
        message="it waits for the queue {queue}, and no Workload of it is there: no queue has taken notice of it, or"
        " Workloads were not read",
        remedy="see that Kueue runs, and that its configuration names this kind in integrations.frameworks",
        source="https://kueue.sigs.k8s.io/docs/tasks/troubleshooting/troubleshooting_jobs/",
        kinds=(),
        confidence=0.5,
    ),
    rule(
        "workflow-invalid",
        Layer.STRUCTURE,
        says(
            "status.message",
            r"invalid spec|template (name|reference) '?\S+'? (undefined|not found)|failed to resolve \{\{|"
            r"(workflowtemplate|clusterworkflowtemplate)\S* \"[^\"]+\" not found|"
            r"templates\.\S+ .*(is required|invalid|undefined)",
        ),
        has("SpecError", "True"),
        has("SubmissionError", "True", "", r"(?<!host )not found|invalid|required|undefined"),
        message="its definition can't be run: {said}",
        remedy="correct what it names: argo lint, or the template that it refers to",
        source=f"{_ARGO}/cli/argo_lint/",
        kinds=("Workflow", "CronWorkflow"),
    ),
    rule(
        "workflow-invalid",
        Layer.STRUCTURE,
        has(
            "Succeeded",
            "False",
            r"(CouldntGet|Invalid|Failed)\w*(Pipeline|Task|Validation|Parameter|Graph|Reference)\w*|Invalid\w+|"
            r"\w*(ParameterMissing|ParameterTypeMismatch|MissKeys|ValidationFailed|ResolutionFailed|IndexingInvalid)|"
            r"RequiredWorkspace\w+",
        ),
        message="its definition can't be run: {said}",
        remedy="correct what it names; kubectl get pipelines,tasks -n {namespace} shows what there is",
        source="https://tekton.dev/docs/pipelines/pipelineruns/#monitoring-execution-status",
        kinds=("PipelineRun", "TaskRun"),
    ),
    rule(
        "step-deadline",
        Layer.RUN,
        step(r"exceeded its deadline|Max duration limit exceeded|Deadline exceeded"),
        says("status.message", r"exceeded its deadline|Max duration limit exceeded|Deadline exceeded"),
        has("Succeeded", "False", "(PipelineRun|TaskRun)Timeout"),
        message="it ran longer than its time limit: {said}",
        remedy="raise activeDeadlineSeconds or timeout, or have it do less",
        source=f"{_ARGO}/walk-through/timeouts/",
        kinds=("Workflow", "PipelineRun", "TaskRun"),
    ),
    rule(
        "workflows-too-many",
        Layer.QUOTA,
        says("status.message", r"too many workflows are already running|parallelism limit"),
        step(r"Max parallelism reached"),
        message="the controller lets no more workflows run at once: {said}",
        remedy="wait for others, or raise parallelism in the controller's configuration",
        source=f"{_ARGO}/parallelism/",
        kinds=("Workflow",),
    ),
    rule(
        "waits-for-lock",
        Layer.QUOTA,
        says("status.message", r"Waiting for (?P<lock>\S+) lock"),
        step(r"Waiting for (?P<lock>\S+) lock"),
        message="another workflow has the lock {lock}: {said}",
        remedy="wait for it, or raise the limit of this semaphore",
        source=f"{_ARGO}/synchronization/",
        kinds=("Workflow",),
    ),
    rule(
        "schedule-missed",
        Layer.RUN,
        event("MissSchedule|TooManyMissedTimes|FailedNeedsStart"),
        message="it was not started when it was due: {said}",
        remedy="see that the controllers were up then; raise startingDeadlineSeconds where that had passed, and set or"
        " lower it where too many starts were counted",
        source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/",
        kinds=("CronJob",),
    ),
    rule(
        "schedule-invalid",
        Layer.STRUCTURE,
        event("UnparseableSchedule|InvalidSchedule|UnknownTimeZone|UnParseableCronJobSchedule"),
        message="its schedule can't be read: {said}",
        remedy="correct spec.schedule, five fields such as 0 3 * * *, or spec.timeZone: kubectl edit cronjob {name}"
        " -n {namespace}",
        source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax",
        kinds=("CronJob",),
    ),
    rule(
        "earlier-run-goes-on",
        Layer.RUN,
        Sign("event", _overlaps),
        message="its last run goes on, and two at once are forbidden",
        remedy="wait for it, end it, or set concurrencyPolicy to Replace or Allow",
        source="https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/",
        kinds=("CronJob",),
    ),
    rule(
        "model-not-loaded",
        Layer.INIT,
        says("status.modelStatus.lastFailureInfo.message", r"."),
        message="the server could not load the model: {said}",
        remedy="check storageUri, the credentials of its ServiceAccount, and that the runtime takes this format",
        source="https://kserve.github.io/website/docs/intro",
        kinds=("InferenceService",),
    ),
    rule(
        "serving-not-ready",
        Layer.START,
        has("PredictorReady", "False", "", "."),
        has("ConfigurationsReady", "False", "", "."),
        has("LatestDeploymentReady", "False", "", "."),
        has(
            "Ready",
            "False",
            "(RevisionFailed|RevisionMissing|ProgressDeadlineExceeded|ExitCode.*|ContainerMissing|.*)",
            ".",
        ),
        message="it does not serve: {said}",
        remedy="look at the pods of its newest revision, their images and probes: kubectl get pods -n {namespace}",
        source=_SERVING,
        kinds=("InferenceService", "Service", "Configuration", "Revision", "Route"),
        confidence=0.5,
        is_consequence=True,
    ),
    rule(
        "rollout-stuck",
        Layer.START,
        has("Progressing", "False", "ProgressDeadlineExceeded"),
        message="its new pods did not become ready in time: {said}",
        remedy="kubectl rollout undo deployment/{name} -n {namespace}, or mend what keeps the pods",
        source="https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment",
        kinds=("Deployment",),
        confidence=0.5,
        is_consequence=True,
    ),
    rule(
        "job-deadline",
        Layer.RUN,
        has("Failed", "True", "DeadlineExceeded"),
        message="it ran longer than activeDeadlineSeconds allows: {said}",
        remedy="raise activeDeadlineSeconds, of a step its timeout, or have it do less",
        source=f"{_JOBS}#job-termination-and-cleanup",
        kinds=("Job", "JobSet", "PyTorchJob", "TFJob", "JAXJob", "MPIJob", "XGBoostJob", "TrainJob"),
    ),
    rule(
        "workload-failed",
        Layer.RUN,
        has("Failed", "True"),
        Sign("status.message", stated),
        Sign(SPARK_SAYS, stated),
        message="it failed ({reason}): {said}",
        remedy="look at the first of its pods that failed: kubectl get pods -n {namespace} --sort-by=.status.startTime",
        source=f"{_JOBS}#pod-backoff-failure-policy",
        kinds=(),
        confidence=0.3,
        is_consequence=True,
    ),
    rule(
        "task-failed",
        Layer.RUN,
        has("Succeeded", "False"),
        message="it failed ({reason}): {said}",
        remedy="kubectl get taskruns,pods -n {namespace} shows which part",
        source="https://tekton.dev/docs/pipelines/pipelineruns/#monitoring-execution-status",
        kinds=("PipelineRun", "TaskRun"),
        confidence=0.5,
        is_consequence=True,
    ),
    rule(
        "step-failed",
        Layer.RUN,
        step(r"."),
        message="its step {step} failed: {said}",
        remedy="argo logs {name} -n {namespace}; its pod is not in what was read",
        source=f"{_ARGO}/walk-through/",
        kinds=("Workflow",),
        confidence=0.5,
        is_consequence=True,
    ),
    rule(
        "workflow-failed",
        Layer.RUN,
        says("status.message", r"(?P<what>.+)"),
        message="the workflow says: {said}",
        remedy="fairlead get RUN shows which steps failed",
        source="https://argo-workflows.readthedocs.io/en/latest/fields/#workflowstatus",
        kinds=("Workflow",),
        confidence=0.5,
        is_consequence=True,
    ),
)
