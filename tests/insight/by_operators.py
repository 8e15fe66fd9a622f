"""Pictures that are made by hand of what operators of ML workloads say, in their words and their owners' trees."""

from __future__ import annotations

from typing import Any

from insight import pictures as p
from insight.by_hand import Case

CASES: list[Case] = []
_TRAINER = "https://github.com/kubeflow/trainer/blob/v2.3.0/pkg"
_RAY = "https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/controllers/ray"
_SPARK = "https://github.com/kubeflow/spark-operator/blob/v2.5.2/internal/controller/sparkapplication"
_KUEUE = "https://github.com/kubernetes-sigs/kueue/blob/v0.19.2/pkg"
_AUTOSCALER = "https://github.com/kubernetes/autoscaler/blob/cluster-autoscaler-1.34.0/cluster-autoscaler"
_TEKTON = "https://github.com/tektoncd/pipeline/blob/v1.15.0/pkg"


def case(cause: str, *objects: dict[str, Any], source: str, variant: str = "", events: tuple[dict[str, Any], ...] = (),
         logs: dict[str, str] | None = None) -> None:  # fmt: skip
    """Add a case: what the first object is explained with."""
    name = f"operators-{len(CASES)}-{cause}{'-' if variant else ''}{variant}"
    CASES.append(Case(name, cause, p.picture(*objects, events=events, logs=logs or {}), objects[0], source))


def _failed(kind: str, **status: Any) -> dict[str, Any]:
    return p.thing(kind, "w", spec={}, status=status)


def _ended(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return p.thing(kind, "w", spec={}, status={"conditions": [p.condition("Succeeded", status, reason, message)]})


# Trainer -------------------------------------------------------------------------------------------
_TRAIN = p.thing("TrainJob", "t", spec={"runtimeRef": {"name": "torch"}}, status={})
case("training-runtime-missing", _TRAIN, source=f"{_TRAINER}/runtime/core/clustertrainingruntime.go", events=(p.event(
    "TrainJobResourcesCreationFailed", "TrainJob resources reconciliation failed: not found ClusterTrainingRuntime specified"
    ' in TrainJob: ClusterTrainingRuntime.trainer.kubeflow.org "torch" not found', kind="TrainJob", name="t"),))  # fmt: skip
case("object-invalid", p.thing("TrainJob", "t", spec={}, status={"conditions": [p.condition(
    "Failed", "True", "TrainingRuntimeNotSupported", "unsupported runtime: TrainingRuntimes.trainer.kubeflow.org")]}),
    source=f"{_TRAINER}/controller/trainjob_controller.go")  # fmt: skip
case("suspended", p.thing("PyTorchJob", "w", spec={"runPolicy": {"suspend": True}}, status={"conditions": [
    p.condition("Suspended", "True", "PyTorchJobSuspended", "PyTorchJob w is suspended.")]}), variant="by-policy",
    source="https://github.com/kubeflow/training-operator/blob/v1.9.3/pkg/controller.v1/common/job.go")  # fmt: skip
_WAITING = p.unplaced("0/4 nodes are available: 4 Insufficient nvidia.com/gpu.", name="fit-worker-1", owner="w")
_ASKING = p.ended(1, name="launcher", owner="w", at="2026-11-20T09:58:00Z")
case("insufficient-resources", p.thing("MPIJob", "w", spec={}, status={"conditions": [p.condition(
    "Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]}), _WAITING, _ASKING,
    logs={"launcher": "ssh: Could not resolve hostname fit-worker-1.fit.team.svc: Name or service not known\n"},
    variant="and-the-launcher-asks-for-it", source="https://github.com/kubeflow/mpi-operator/blob/v0.8.2/README.md")  # fmt: skip
_NAMED = p.unplaced("0/4 nodes are available: 4 Insufficient nvidia.com/gpu.", name="fit-node-0-1-x7k2p", owner="w")
_NAMED["spec"]["hostname"] = "fit-node-0-1"
case("insufficient-resources", p.thing("TrainJob", "w", spec={}, status={"conditions": [p.condition(
    "Failed", "True", "FailedJobs", "jobset failed due to one or more job failures")]}), _NAMED, _ASKING, variant="by-hostname",
    logs={"launcher": "ssh: Could not resolve hostname fit-node-0-1.fit: Name or service not known\n"},
    source="https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/job/indexed_job_utils.go")  # fmt: skip
# Ray -----------------------------------------------------------------------------------------------
_SAID = ("Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\nTraceback (most"
         ' recent call last):\n  File "/app/tune.py", line 3, in <module>\n')  # fmt: skip


def _ray(reason: str, message: str, state: str = "Failed", job: str = "") -> dict[str, Any]:
    return _failed("RayJob", jobDeploymentStatus=state, jobStatus=job, reason=reason, message=message, endTime=p.BEGUN)


case("exception", _ray("AppFailed", f"{_SAID}ValueError: no column label\n", job="FAILED"), source=f"{_RAY}/rayjob_controller.go",
     variant="in-its-message")  # fmt: skip
case("exception", _ray("AppFailed", f"{_SAID}ValueError: no column label\n", job="FAILED"), p.job("s") | {
    "metadata": p.thing("Job", "s", owner="w")["metadata"]}, p.ended(1, owner="s"), variant="and-not-its-submitter's",
    logs={"p": "ConnectionError: lost\n"}, source=f"{_RAY}/rayjob_controller.go")  # fmt: skip
case("module-missing", _ray("AppFailed", f"{_SAID}ModuleNotFoundError: No module named 'vllm'\n", job="FAILED"),
     source=f"{_RAY}/rayjob_controller.go")  # fmt: skip
case("job-deadline", _ray("DeadlineExceeded", "The RayJob has passed the activeDeadlineSeconds. StartTime: 2026-11-20. "
                          "ActiveDeadlineSeconds: 3600"), source=f"{_RAY}/rayjob_controller.go")  # fmt: skip
case("object-invalid", _ray("ValidationFailed", "the RayJob spec is invalid: shutdownAfterJobFinishes is false",
                            "ValidationFailed"), source=f"{_RAY}/utils/validation.go")  # fmt: skip
case(
    "stopped-by-request",
    _ray("", "Job was intentionally stopped.", "Complete", "STOPPED"),
    source=f"{_RAY}/rayjob_controller.go",
)
case("submission-failed", _ray("SubmissionFailed", "Job submission has failed. Reason: BackoffLimitExceeded. Message: Job has"
     " reached the specified backoff limit"), source=f"{_RAY}/rayjob_controller.go")  # fmt: skip
case("workload-failed", _ray("JobDeploymentStatusTransitionGracePeriodExceeded", "The RayJob submitter finished at 10:00 but"
     " the ray job did not reach terminal state within 30s"), source=f"{_RAY}/rayjob_controller.go")  # fmt: skip
_HEAD = p.ended(137, "OOMKilled", name="c-head", owner="w", at="2026-11-20T10:03:00Z")
_HEAD["metadata"]["labels"] = {"ray.io/node-type": "head", "ray.io/cluster": "c"}
case("out-of-memory", _ray("SubmissionFailed", "Job submission has failed. Reason: BackoffLimitExceeded."), _HEAD,
     p.ended(1, owner="w"), logs={"p": "ConnectionError: Failed to connect to Ray at address: http://c-head-svc.team.svc:8265.\n"},
     variant="of-the-head", source=f"{_RAY}/common/job.go")  # fmt: skip
case("module-missing", _failed("RayService", conditions=[p.condition("Ready", "False", "Initializing", "RayService is initializing")],
     pendingServiceStatus={"applicationStatuses": {"llm": {"status": "DEPLOY_FAILED", "message": "Deploying app 'llm' failed with"
     " exception:\nTraceback (most recent call last):\nModuleNotFoundError: No module named 'vllm'"}}}),
     source=f"{_RAY}/rayservice_controller.go")  # fmt: skip
case("versions-differ", p.ended(1, message="RuntimeError: Version mismatch: The cluster was started with:\n    Ray: 2.46.0\n"),
     source="https://github.com/ray-project/ray/blob/ray-2.46.0/python/ray/_private/utils.py")  # fmt: skip


# Spark, Dask ---------------------------------------------------------------------------------------
def _spark(state: str, said: str) -> dict[str, Any]:
    return _failed("SparkApplication", applicationState={"state": state, "errorMessage": said}, terminationTime=p.BEGUN)


_SUBMIT = (
    'failed to run spark-submit: Exception in thread "main" org.apache.spark.SparkException: Uploading file failed\n'
)
case("submission-failed", _spark("SUBMISSION_FAILED", f"{_SUBMIT}Caused by: java.io.FileNotFoundException: /app/a.jar"),
     source=f"{_SPARK}/submission.go")  # fmt: skip
case("right-missing", _spark("FAILED", f'{_SUBMIT}Message: pods is forbidden: User "system:serviceaccount:spark:op" cannot create'
     ' resource "pods" in API group "" in the namespace "team".'), source=f"{_SPARK}/submission.go")  # fmt: skip
_FORBIDDEN = (f'{_SUBMIT}Caused by: KubernetesClientException: Failure executing. Message: pods is forbidden: User'
              ' "system:serviceaccount:spark:op" cannot create resource "pods" in API group "" in the namespace "team".')  # fmt: skip
case("right-missing", _failed("SparkApplication", applicationState={"state": "FAILED", "errorMessage": _FORBIDDEN},
    lastSubmissionAttemptTime="2026-11-20T09:59:00Z"), variant="in-an-event-too", source=f"{_SPARK}/submission.go", events=(p.event(
    "SparkApplicationFailed", f"SparkApplication w failed: {_FORBIDDEN}", kind="SparkApplication", name="w"),))  # fmt: skip
case("service-account-missing", _spark("FAILED", f'{_SUBMIT}Message: pods "w-driver" is forbidden: error looking up service account'
     ' team/spark: serviceaccount "spark" not found.'), source=f"{_SPARK}/submission.go")  # fmt: skip
case("out-of-memory", _spark("FAILED", "driver container failed with ExitCode: 137, Reason: OOMKilled"), variant="of-the-driver",
     source=f"{_SPARK}/controller.go")  # fmt: skip
case("workload-failed", _spark("FAILED", "driver pod not found"), source=f"{_SPARK}/controller.go")
# Katib, KServe, notebooks --------------------------------------------------------------------------
_KATIB = "https://github.com/kubeflow/katib/blob/v0.19.0/pkg/controller.v1beta1"
case("metrics-unavailable", p.thing("Trial", "t", spec={}, status={"conditions": [p.condition(
    "MetricsUnavailable", "True", "MetricsUnavailable", "Metrics are not available")]}),
    source=f"{_KATIB}/trial/util/job_util.go")  # fmt: skip


def _unserved(reason: str, **model: Any) -> dict[str, Any]:
    failure = {"reason": reason, "message": "Waiting for runtime to become available"}
    return p.thing("InferenceService", "i", spec={"predictor": {"model": model}}, status={
        "modelStatus": {"lastFailureInfo": failure, "transitionStatus": "InvalidSpec"},
        "conditions": [p.condition("PredictorReady", "False", reason, "x"), p.condition("Ready", "False", reason, "x")]})  # fmt: skip


_SERVE = "https://github.com/kserve/kserve/blob/v0.20.0/pkg/controller/v1beta1/inferenceservice/components/predictor.go"
case("serving-runtime-missing", _unserved("RuntimeNotRecognized", runtime="triton-2"), source=_SERVE, variant="named")
case("serving-runtime-missing", _unserved("NoSupportingRuntime", modelFormat={"name": "catboost"}), source=_SERVE)
_ROUTE = p.condition("Ready", "Unknown", "IngressNotConfigured", "Ingress has not yet been reconciled.")
case("ingress-not-configured", p.thing("InferenceService", "i", status={"conditions": [_ROUTE]}),
     source="https://github.com/knative/serving/blob/main/pkg/apis/serving/v1/route_lifecycle.go")  # fmt: skip
case("init-goes-on", p.pod(spec={"nodeName": "n1"}, phase="Pending", initContainerStatuses=[
    {"name": "storage-initializer", "state": {"running": {"startedAt": p.BEGUN}}}]), source=_SERVE)  # fmt: skip
case("gpu-out-of-memory", p.ended(1, message="ValueError: The model's max seq len (131072) is larger than the maximum number of"
     " tokens that can be stored in KV cache (33600).\n"), variant="of-vllm",
     source="https://github.com/vllm-project/vllm/blob/v0.6.0/vllm/worker/worker.py")  # fmt: skip
_STOPPED = p.thing("Notebook", "n", spec={"template": {"spec": {"containers": []}}}, status={"readyReplicas": 0})
_STOPPED["metadata"]["annotations"] = {"kubeflow-resource-stopped": p.BEGUN}
_NO_PODS = p.thing("StatefulSet", "n-set", owner="n", spec={"replicas": 0}, status={"replicas": 0})
case("suspended", _STOPPED, _NO_PODS, variant="notebook",
     source="https://github.com/kubeflow/kubeflow/blob/v1.10.0/components/notebook-controller/pkg/culler/culler.go")  # fmt: skip
# Pipelines -----------------------------------------------------------------------------------------
case("image-not-found", _ended("TaskRun", "False", "TaskRunImagePullFailed", 'The step "fit" in TaskRun "w" failed to pull the image'
     ' "". The pod errored with the message: "Back-off pulling image "registry.example/fit:9": ErrImagePull: fit:9: not found."'),
     source=f"{_TEKTON}/reconciler/taskrun/taskrun.go")  # fmt: skip
case("quota-of-namespace", _ended("TaskRun", "Unknown", "ExceededResourceQuota", 'TaskRun Pod exceeded available resources: pods "w"'
     " is forbidden: exceeded quota: compute, requested: limits.cpu=16, used: limits.cpu=20, limited: limits.cpu=32"),
     source=f"{_TEKTON}/reconciler/taskrun/taskrun.go")  # fmt: skip
case("workflow-invalid", _ended("PipelineRun", "False", "ParameterMissing", "PipelineRun team/w parameters is missing some parameters"
     " required by Pipeline train's parameters: pipelineRun missing parameters: [model]"),
     source=f"{_TEKTON}/reconciler/pipelinerun/pipelinerun.go")  # fmt: skip
case("stopped-by-request", _ended("PipelineRun", "False", "Cancelled", 'PipelineRun "w" was cancelled'),
     source=f"{_TEKTON}/reconciler/pipelinerun/cancel.go")  # fmt: skip
_ARGO = "https://github.com/argoproj/argo-workflows/blob/v3.7.18/workflow"
case("stopped-by-request", _failed("Workflow", phase="Failed", message="Stopped with strategy 'Terminate'"),
     source=f"{_ARGO}/controller/operator.go")  # fmt: skip
case("image-not-found", _failed("Workflow", phase="Running", nodes={"w-1": {
    "type": "Pod", "phase": "Pending", "displayName": "fit", "message": 'ImagePullBackOff: Back-off pulling image "r.example/fit:3":'
    " ErrImagePull: r.example/fit:3: not found"}}), source=f"{_ARGO}/controller/operator.go", variant="without-pods")  # fmt: skip
case("workflow-invalid", p.thing("CronWorkflow", "c", spec={"schedules": ["0 2 * * *"]}, status={"conditions": [p.condition(
    "SubmissionError", "True", "", 'Failed to submit Workflow: workflowtemplates.argoproj.io "lib" not found')]}),
    source=f"{_ARGO}/cron/operator.go")  # fmt: skip
case("suspended", p.thing("ScheduledWorkflow", "s", spec={"enabled": False}, status={"conditions": [
    p.condition("Disabled", "True", "Disabled", "The schedule is disabled.")]}), variant="disabled",
    source="https://github.com/kubeflow/pipelines/blob/2.14.0/backend/src/crd/controller/scheduledworkflow/util/"
    "scheduled_workflow.go")  # fmt: skip
case(
    "controller-does-not-answer",
    p.thing("Workflow", "w", spec={"entrypoint": "main"}),
    source=f"{_ARGO}/controller/controller.go",
)
_RETRIED = {
    "a": {"type": "Retry", "phase": "Succeeded", "displayName": "a", "children": ["a1", "a2"]},
    "a1": {"type": "Pod", "phase": "Failed", "displayName": "a(0)", "message": "OOMKilled (exit code 137)", "finishedAt": p.BEGUN},
    "b": {"type": "Pod", "phase": "Error", "displayName": "b", "message": "pod deleted", "finishedAt": p.LATER},
}  # fmt: skip
case("step-failed", _failed("Workflow", phase="Error", message="child 'b' errored", nodes=_RETRIED), variant="after-one-overcome",
     source=f"{_ARGO}/controller/operator.go")  # fmt: skip
# Queues, gangs and machines ------------------------------------------------------------------------
_CHECKED = [{"name": "capacity", "state": "Pending", "message": "Retrying after failure: ZONE_RESOURCE_POOL_EXHAUSTED"}]
case("admission-check-refused", p.thing("Workload", "w", status={"admissionChecks": _CHECKED, "conditions": [
    p.condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue gpu")]}), variant="tries-again",
    source=f"{_KUEUE}/controller/admissionchecks/provisioning/controller.go")  # fmt: skip
_GROUP = p.thing("PodGroup", "g", spec={"queue": "research", "minMember": 2}, status={"phase": "Pending"})
_FULL = p.event(
    "Unschedulable", "queue resource quota insufficient: insufficient nvidia.com/gpu", kind="PodGroup", name="g"
)
case("quota-used-up", _GROUP, events=(_FULL,), variant="of-volcano",
     source="https://github.com/volcano-sh/volcano/blob/v1.15.1/pkg/scheduler/actions/enqueue/enqueue.go")  # fmt: skip
_FEW = p.condition(
    "Unschedulable", "True", "NotEnoughResources", "2/2 tasks in gang unschedulable: pod group is not ready"
)
case("gang-incomplete", p.thing("PodGroup", "g", spec={"minMember": 2}, status={"phase": "Inqueue", "conditions": [_FEW]}),
     source="https://github.com/volcano-sh/volcano/blob/v1.15.1/pkg/scheduler/plugins/gang/gang.go")  # fmt: skip
_FULL_UP = p.unplaced("0/4 nodes are available: 4 Insufficient nvidia.com/gpu.")
case("autoscaler-fits-none", _FULL_UP, source=f"{_AUTOSCALER}/processors/status/eventing_scale_up_processor.go", events=(p.event(
    "NotTriggerScaleUp", "pod didn't trigger scale-up (it wouldn't fit if a new node is added): 2 Insufficient nvidia.com/gpu"),))  # fmt: skip
case("autoscaler-fits-none", _FULL_UP, variant="karpenter", events=(p.event(
    "FailedScheduling", 'Failed to schedule pod, incompatible with nodepool "gpu", no instance type satisfied resources'
    ' {"nvidia.com/gpu":"16"} and requirements karpenter.sh/nodepool In [gpu]'),),
    source="https://github.com/kubernetes-sigs/karpenter/blob/v1.8.0/pkg/controllers/provisioning/scheduling/nodeclaim.go")  # fmt: skip
case("node-being-added", _FULL_UP, source=f"{_AUTOSCALER}/processors/status/eventing_scale_up_processor.go", events=(p.event(
    "TriggeredScaleUp", "pod triggered scale-up: [{gpu 2->3 (max: 8)}]", at="2026-11-20T10:28:00Z"),))  # fmt: skip
_BUSY = p.pod(
    "other",
    spec={"nodeName": "n1", "containers": [{"resources": {"requests": {"nvidia.com/gpu": "8"}}}]},
    phase="Running",
)
_ASKS = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"nvidia.com/gpu": "4"}}}]}}
case("node-being-added", _FULL_UP | _ASKS, p.node("n1", **{"nvidia.com/gpu": "8"}), _BUSY, variant="others-have-those-that-are",
     source=f"{_AUTOSCALER}/processors/status/eventing_scale_up_processor.go", events=(p.event(
         "TriggeredScaleUp", "pod triggered scale-up: [{gpu 2->3 (max: 8)}]", at="2026-11-20T10:28:00Z"),))  # fmt: skip
_ORDERED = p.thing(
    "NodeClaim", "gpu-x", spec={}, status={"conditions": [p.condition("Launched", "Unknown", "InsufficientCapacity")]}
)
_ORDERED["metadata"]["namespace"] = ""
case("autoscaler-at-limit", _FULL_UP, _ORDERED, variant="karpenter", events=(
    p.event("Nominated", "Pod should schedule on: nodeclaim/gpu-x"),
    p.event("InsufficientCapacityError", "creating instance, insufficient capacity, with fleet error(s),"
            " InsufficientInstanceCapacity", kind="NodeClaim", name="gpu-x", space="")),
    source="https://github.com/kubernetes-sigs/karpenter/blob/v1.8.0/pkg/controllers/nodeclaim/lifecycle/launch.go")  # fmt: skip
_PLUGIN = p.waiting("CrashLoopBackOff", "back-off 5m0s", name="nvidia-driver-daemonset-x")
_PLUGIN["status"]["conditions"] = [p.condition("Ready", "False", "ContainersNotReady")]
case("resource-not-offered", _FULL_UP | {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}},
     p.node("n1", **{"nvidia.com/gpu": "0"}), _PLUGIN, variant="driver-not-ready",
     source="https://github.com/NVIDIA/gpu-operator/blob/v26.7.0/assets/state-driver/0500_daemonset.yaml")  # fmt: skip
case("driver-mismatched", p.waiting("RunContainerError", "nvidia-container-cli: initialization error: nvml error: driver/library"
     " version mismatch: unknown"), source="https://github.com/NVIDIA/libnvidia-container/blob/v1.17.8/src/nvc.c")  # fmt: skip
case("data-damaged", p.ended(42, message="dataset checksum mismatch\n"),
     source="https://github.com/kserve/kserve/blob/v0.20.0/python/storage")  # fmt: skip
# What programs and their launchers write ------------------------------------------------------------
_RAN = 'Traceback (most recent call last):\n  File "/app/fit.py", line 3, in <module>\n'
_ELASTIC = "https://github.com/pytorch/pytorch/blob/v2.8.0/torch/distributed/elastic/multiprocessing/errors/__init__.py"
_LAUNCHED = ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n=====\n  exitcode  : -9 (pid: 7)\n"
             "  traceback : Signal 9 (SIGKILL) received by PID 7\n=====\n")  # fmt: skip
case("exception", p.ended(1), logs={"p": f"{_RAN}FileNotFoundError: '/cfg/train.yaml'\n{_RAN}{_LAUNCHED.replace('9', '1')}"},
     source=_ELASTIC, variant="of-the-rank")  # fmt: skip
case("out-of-memory-of-child", p.ended(1), logs={"p": _RAN + _LAUNCHED}, source=_ELASTIC, variant="of-a-rank")
case("exception", p.ended(1), logs={"p": f"{_RAN}RuntimeError: shapes do not match\nwandb: ERROR 403 Client Error: Forbidden\n"},
     source="https://github.com/wandb/wandb/blob/v0.21.0/wandb/sdk/lib/retry.py", variant="and-what-was-only-logged")  # fmt: skip
case("data-refused", p.ended(1), variant="and-what-was-raised-from-it", logs={"p":
     f"{_RAN}HTTPError: 403 Client Error: Forbidden for url: https://huggingface.co/a\n\nThe above exception was the direct cause"
     f" of the following exception:\n\n{_RAN}OSError: a is not a valid model identifier\n"},
     source="https://github.com/huggingface/transformers/blob/v4.55.0/src/transformers/utils/hub.py")  # fmt: skip
case("killed", p.ended(143), logs={"p": "WARN: metrics are pushed again: Connection refused\nSIGTERM received\n"},
     source="https://github.com/prometheus/client_python/blob/v0.22.0/prometheus_client/exposition.py")  # fmt: skip
case("arguments-invalid", p.ended(2), logs={"p": "usage: fit.py [-h]\nfit.py: error: unrecognized arguments: --lr2\n"},
     source="https://github.com/python/cpython/blob/v3.13.0/Lib/argparse.py")  # fmt: skip
case("shared-memory-too-small", p.ended(1), logs={"p": "NCCL WARN Error: failed to extend /dev/shm/nccl-8sjXxk to 9637892 bytes\n"
     "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"}, variant="nccl",
     source="https://github.com/NVIDIA/nccl/blob/v2.27.7-1/src/misc/shmutils.cc")  # fmt: skip
case("artifact-storage-unset", p.ended(1, message="You need to configure artifact storage. More information on how to do this can"
     " be found in the docs"), source=f"{_ARGO}/common/common.go")  # fmt: skip
case("out-of-memory-of-child", _ray("AppFailed", f"{_SAID}ray.exceptions.OutOfMemoryError: Task was killed due to the node running low"
     " on memory.\n", job="FAILED"), source=f"{_RAY}/rayjob_controller.go", variant="ray")  # fmt: skip
