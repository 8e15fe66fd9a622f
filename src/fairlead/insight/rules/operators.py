"""What operators say of the workloads that they run: Trainer, KubeRay, Spark, Katib, KServe, Volcano.

Some write what went wrong nowhere but in a field of their own; what their pods show, other rules know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign, words_in
from fairlead.insight.signs import SPARK_SAYS, event, has, logs, rule, says, step
from fairlead.quantities import human_duration
from fairlead.snapshots.parts import shortened
from fairlead.snapshots.snapshot import Snapshot, Thing, moment, walk

_TRAINER = "https://www.kubeflow.org/docs/components/trainer/"
_RAY = "https://docs.ray.io/en/latest/cluster/kubernetes/"
_SPARK = "https://www.kubeflow.org/docs/components/spark-operator/"
_KSERVE = "https://kserve.github.io/website/docs/"
_VOLCANO = "https://volcano.sh/en/docs/"
_FAILURE = "status.modelStatus.lastFailureInfo.message"
_TAKEN_UP = (
    "Workflow", "PipelineRun", "TaskRun", "PyTorchJob", "TFJob", "JAXJob", "XGBoostJob", "RayJob", "SparkApplication",
    "DaskJob", "Experiment",
)  # fmt: skip
"""Kinds of which controllers say first that they have taken them up; of others the status may stay empty."""
_UNSET = r"need to configure artifact storage|artifact storage is not configured"
_UNHEARD = timedelta(minutes=2)


def stated(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload that has failed, by a field of its own instead of a condition."""
    if thing.ref.kind == "RayJob" and thing.text("status.jobDeploymentStatus") == "Failed":
        words = {"reason": thing.text("status.reason"), "said": shortened(thing.text("status.message"))}
        evidence = thing.cite("status.message", "status.reason", "status.jobDeploymentStatus")
        yield Seen(evidence, words, thing.text("status.endTime"))
    if thing.ref.kind == "SparkApplication" and "FAIL" in thing.text("status.applicationState.state"):
        state = thing.text("status.applicationState.state")
        words = {"reason": state, "said": shortened(thing.text(SPARK_SAYS))}
        evidence = thing.cite(SPARK_SAYS, "status.applicationState.state")
        yield Seen(evidence, words, thing.text("status.terminationTime"))


def _unsubmitted(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See an application that spark-submit does not take: its last words are a chain of exceptions."""
    text = thing.text(SPARK_SAYS)
    if "FAIL" in thing.text("status.applicationState.state") and "spark-submit" in text:
        chain = re.split(r"Caused by: ", text)
        said = chain[-1] if len(chain) > 1 else re.split(r"Exception in thread \"[^\"]*\" ", text)[-1]
        yield Seen(thing.cite(SPARK_SAYS), {"said": shortened(said)}, thing.text("status.lastSubmissionAttemptTime"))


def _driver_out_of_memory(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See an application whose driver ran out of memory, and whose driver is no more."""
    has_driver = any(each.ref.kind == "Pod" for each in snapshot.below(thing))
    if "OOMKilled" in thing.text(SPARK_SAYS) and not has_driver:
        yield Seen(thing.cite(SPARK_SAYS), {}, thing.text("status.terminationTime"))


def _invalid(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    if thing.text("status.jobDeploymentStatus") == "ValidationFailed":
        words = {"said": shortened(thing.text("status.message"))}
        yield Seen(thing.cite("status.message", "status.jobDeploymentStatus"), words, thing.text("status.startTime"))


def _stopped(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    if thing.text("status.jobStatus") == "STOPPED":
        words = {"said": shortened(thing.text("status.message")) or "its jobStatus is STOPPED"}
        yield Seen(thing.cite("status.jobStatus", "status.message"), words, thing.text("status.endTime"))


def _without_runtime(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a model that no runtime serves: it names one that is not there, or its format is known to none."""
    reason = thing.text("status.modelStatus.lastFailureInfo.reason")
    if reason not in ("NoSupportingRuntime", "RuntimeNotRecognized", "RuntimeDisabled"):
        return
    model = thing.part("spec.predictor.model")
    named, form = model.text("runtime"), model.text("modelFormat.name")
    wanted = f"{named} is not there, or is disabled" if named else f"none is for the format {form}"
    words = {"wanted": f": {wanted}", "said": shortened(thing.text(_FAILURE))}
    evidence = (*thing.cite(_FAILURE, "status.modelStatus.lastFailureInfo.reason"), *model.cite("runtime"))
    yield Seen(evidence, words)


def _unheard(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload of which no controller has said anything since it was created."""
    created, now = moment(thing.text("metadata.creationTimestamp")), snapshot.now
    is_silent = not (thing.part("status").value or snapshot.events_of(thing) or len(list(walk(snapshot, thing))) > 1)
    is_held = thing.part("spec.suspend").value is True or thing.text("metadata.deletionTimestamp")
    if is_silent and not is_held and created and now and now - created > _UNHEARD:
        words = {"kind": thing.ref.kind, "since": human_duration((now - created).total_seconds())}
        yield Seen(thing.cite("metadata.creationTimestamp"), words, thing.text("metadata.creationTimestamp"))


def _grouped(message: str) -> tuple[Sign, ...]:
    """What Volcano says of a gang, in a condition of its PodGroup or in an event."""
    signs = has("Unschedulable", "True", "", message), event("Unschedulable|NotEnoughResources", message)

    def find(group: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        if group.text("status.phase") in ("Pending", "Inqueue", "Unknown", ""):
            for sign in signs:
                for seen in sign.find(group, snapshot):
                    yield seen._replace(words={**seen.words, "queue": group.text("spec.queue") or "default"})

    return Sign("condition Unschedulable", find), Sign("event", find)


def _unrouted(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a service whose way in is not set up: nobody has answered for it, or its load balancer is not ready."""
    for kind in ("Ready", "PredictorReady", "RoutesReady", "IngressReady"):
        condition = thing.condition(kind)
        if condition is None or condition.text("status") == "True":
            continue
        words = words_in(r"ingress has not yet been reconciled|load ?balancer to be ready", condition.text("message"))
        if condition.text("reason") in ("IngressNotConfigured", "Uninitialized") and words is not None:
            yield Seen(condition.cite("message", "reason"), words, condition.text("lastTransitionTime"))
            return


RULES = (
    rule(
        "controller-does-not-answer",
        Layer.STRUCTURE,
        Sign("unheard", _unheard),
        message="no controller has taken notice of it, for {since}",
        remedy="see that the controller of this kind, {kind}, runs, and that it watches the namespace {namespace}",
        source="https://kubernetes.io/docs/concepts/architecture/controller/",
        kinds=_TAKEN_UP,
        confidence=0.7,
    ),
    rule(
        "training-runtime-missing",
        Layer.STRUCTURE,
        event(".*", r"not found (?P<kind>(Cluster)?TrainingRuntime).*?\"(?P<what>[^\"]+)\" not found"),
        event(".*", r"(?P<kind>(Cluster)?TrainingRuntime)s?\.\S+ \"(?P<what>[^\"]+)\" not found"),
        message="it names the {kind} {what}, which is not there",
        remedy="name one of these in runtimeRef: kubectl get clustertrainingruntimes,trainingruntimes -n {namespace}",
        source=f"{_TRAINER}operator-guides/runtime/",
        kinds=("TrainJob",),
    ),
    rule(
        "object-invalid",
        Layer.STRUCTURE,
        has("Failed", "True", "TrainingRuntimeNotSupported|.*FailedValidation|ValidationError"),
        Sign("status.message", _invalid),
        event("InvalidRay\\w+|.*FailedValidation|ValidationError|.*ValidationFailed"),
        message="its operator does not take it: {said}",
        remedy="correct the field that it names; kubectl explain shows what fields of this kind take",
        source="https://kubernetes.io/docs/reference/using-api/api-concepts/",
        kinds=(
            "TrainJob",
            "PyTorchJob",
            "TFJob",
            "JAXJob",
            "XGBoostJob",
            "MPIJob",
            "RayJob",
            "RayCluster",
            "RayService",
        ),
    ),
    rule(
        "job-deadline",
        Layer.RUN,
        says("status.message", r"has passed the (?P<field>activeDeadlineSeconds|preRunningDeadlineSeconds)"),
        message="it ran longer than {field} allows: {said}",
        remedy="raise {field}, or have it do less",
        source=f"{_RAY}getting-started/rayjob-quick-start.html",
        kinds=("RayJob",),
    ),
    rule(
        "stopped-by-request",
        Layer.RUN,
        Sign("status.message", _stopped),
        says("status.message", r"^(Stopped with strategy|workflow shutdown with strategy)"),
        has("Succeeded", "False", "(PipelineRun|TaskRun)?(Cancelled|Stopped)\\w*"),
        message="somebody stopped it: {said}",
        remedy="submit it again, if that was not meant; who did it is in the audit log",
        source="https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/",
        kinds=("RayJob", "Workflow", "PipelineRun", "TaskRun"),
    ),
    rule(
        "versions-differ",
        Layer.START,
        logs(
            r"Version mismatch: The cluster was started with|Mismatched versions found|"
            r"local class incompatible: stream classdesc"
        ),
        message="its image has other versions than the rest of its cluster: {said}",
        remedy="give the head, the workers and the client one image, or at least one version of Python and the library",
        source="https://docs.ray.io/en/latest/cluster/faq.html",
    ),
    rule(
        "out-of-memory",
        Layer.RUN,
        Sign(SPARK_SAYS, _driver_out_of_memory),
        message="its driver used more memory than its limit",
        remedy="raise spec.driver.memory or memoryOverhead, or collect less into the driver",
        source=_SPARK,
        kinds=("SparkApplication",),
    ),
    rule(
        "artifact-storage-unset",
        Layer.STRUCTURE,
        logs(_UNSET),
        step(_UNSET),
        says("status.message", _UNSET),
        message="it has artifacts, and Argo was told of no place for them: {said}",
        remedy="name one in the ConfigMap artifact-repositories of {namespace}, or in the controller's configuration",
        source="https://argo-workflows.readthedocs.io/en/latest/configure-artifact-repository/",
        kinds=("Pod", "Workflow"),
    ),
    rule(
        "metrics-unavailable",
        Layer.CODE,
        has("MetricsUnavailable", "True"),
        message="it ended, and nothing that it wrote has the value of the objective: {said}",
        remedy="have it print NAME=VALUE with the name that spec.objective has, or correct metricsCollectorSpec",
        source="https://www.kubeflow.org/docs/components/katib/user-guides/metrics-collector/",
        kinds=("Trial",),
    ),
    rule(
        "serving-runtime-missing",
        Layer.STRUCTURE,
        Sign(_FAILURE, _without_runtime),
        event("InternalError", r"no runtime found to support"),
        message="no serving runtime takes its model{wanted}: {said}",
        remedy="kubectl get clusterservingruntimes,servingruntimes -n {namespace}; name one of these, or add one",
        source=f"{_KSERVE}concepts/resources/servingruntime",
        kinds=("InferenceService",),
    ),
    rule(
        "ingress-not-configured",
        Layer.START,
        Sign("condition Ready", _unrouted),
        message="there is no way in to it yet: {said}",
        remedy="see that the network layer runs which Knative or KServe is set to: its gateway, and its load balancer",
        source="https://knative.dev/docs/install/installing-istio/",
        kinds=("InferenceService", "Service", "Route"),
        confidence=0.8,
    ),
    rule(
        "quota-used-up",
        Layer.QUOTA,
        *_grouped(r"queue resource quota insufficient"),
        message="the quota of the Volcano queue {queue} is used up: {said}",
        remedy="wait until others end, or raise its capability: kubectl get queues.scheduling.volcano.sh {queue}",
        source=f"{_VOLCANO}queue/",
        kinds=("PodGroup",),
    ),
    rule(
        "gang-incomplete",
        Layer.PLACEMENT,
        *_grouped("."),
        message="it waits until all of its gang can be placed: {said}",
        remedy="look at those of its gang that have no node, and at the least number that the PodGroup asks for",
        source=f"{_VOLCANO}podgroup/",
        kinds=("PodGroup",),
        confidence=0.6,
        is_consequence=True,  # what its pods say is nearer
    ),
)

SUBMISSIONS = (
    rule(
        "submission-failed",
        Layer.START,
        Sign(SPARK_SAYS, _unsubmitted),
        message="spark-submit could not submit it: {said}",
        remedy="correct what it names in the SparkApplication: mainApplicationFile, deps, sparkConf",
        source=_SPARK,
        kinds=("SparkApplication",),
        confidence=0.8,
    ),
    rule(
        "submission-failed",
        Layer.START,
        says("status.message", r"Job submission has failed|Submitter .*(completed|failed)"),
        message="its job did not come to the Ray cluster: {said}",
        remedy="look at the head pod, and at what the submitter wrote: kubectl logs job/{name} -n {namespace}",
        source=f"{_RAY}troubleshooting/rayservice-troubleshooting.html",
        kinds=("RayJob",),
        confidence=0.6,
        is_consequence=True,
    ),
)
"""Of what could not be submitted: after the rules that know what was said instead."""
