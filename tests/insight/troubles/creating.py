"""Objects whose pods are never created."""

from __future__ import annotations

from insight.troubles.manifests import (
    Object,
    Step,
    Trouble,
    apply,
    container,
    delete,
    deployment,
    job,
    patch,
    pod,
    replace,
    shared,
    thing,
)

_ADMISSION = "admissionregistration.k8s.io/v1"
_OF_NAMESPACE = {"matchLabels": {"kubernetes.io/metadata.name": "$NS"}}
_ON_PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
_RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "main": container(securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
}
_ASKING = container(resources={"requests": {"cpu": "100m"}})


def _quota(cpu: str) -> Object:
    return thing("ResourceQuota", "compute", spec={"hard": {"requests.cpu": cpu}})


def _range(most: str, default: str = "50m") -> Object:
    limits = [{"type": "Container", "max": {"cpu": most}, "default": {"cpu": default}, "defaultRequest": {"cpu": "1m"}}]
    return thing("LimitRange", "range", spec={"limits": limits})


def _namespace(level: str) -> Object:
    found = shared("Namespace", "$NS", "v1")
    found["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": level}
    return found


def _webhook() -> Object:
    hook = {
        "name": "check.example.com", "clientConfig": {"url": "https://127.0.0.1:1/check"}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "timeoutSeconds": 2, "namespaceSelector": _OF_NAMESPACE, "rules": _ON_PODS,
    }  # fmt: skip
    return shared("ValidatingWebhookConfiguration", "$NS", _ADMISSION, webhooks=[hook])


def _policy() -> tuple[Object, Object]:
    labelled = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    rules = {
        "matchConstraints": {"resourceRules": _ON_PODS},
        "validations": [{"expression": labelled, "message": "every pod must have the label team"}],
    }
    binding = {
        "policyName": "$NS", "validationActions": ["Deny"], "matchResources": {"namespaceSelector": _OF_NAMESPACE},
    }  # fmt: skip
    return (
        shared("ValidatingAdmissionPolicy", "$NS", _ADMISSION, spec=rules),
        shared("ValidatingAdmissionPolicyBinding", "$NS", _ADMISSION, spec=binding),
    )


_UNQUEUEABLE = thing("CronJob", "c", "batch/v1", spec={"schedule": "* * * * *", "jobTemplate": {
    "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "q"}, "annotations": {"kueue.x-k8s.io/job-min-parallelism": "x"}},
    "spec": job()["spec"]}})  # fmt: skip
_HELD = pod()
_HELD["metadata"]["finalizers"] = ["example.com/keeps"]

TROUBLES = (
    Trouble("quota-of-namespace", "job/j", (_quota("50m"), job(main=_ASKING)), remedy=(apply(_quota("1")),)),
    Trouble("quota-of-namespace", "deployment/d", (_quota("50m"), deployment(main=_ASKING)), variant="deployment",
            remedy=(apply(_quota("1")),)),
    Trouble("quota-needs-requests", "job/j", (
        thing("ResourceQuota", "compute", spec={"hard": {"requests.cpu": "1", "limits.cpu": "1"}}),
        job(main=container(resources={}))), remedy=(apply(_range("1")),)),
    Trouble("limit-range", "job/j", (
        _range("100m"), job(main=container(resources={"requests": {"cpu": "1m"}, "limits": {"cpu": "200m"}}))),
        remedy=(apply(_range("400m")),)),
    Trouble("object-invalid", "job/j", (_range("100m"), job(main=_ASKING)), remedy=(apply(_range("200m", "150m")),)),
    Trouble("pod-security", "job/j", (_namespace("restricted"), job()), remedy=(replace(job(**_RESTRICTED)),)),
    Trouble("webhook-unreachable", "job/j", (_webhook(), job()),
            remedy=(delete("validatingwebhookconfiguration/$NS"),)),
    Trouble("webhook-denied", "cronjob/c", (_UNQUEUEABLE,), state="pending"),
    Trouble("policy-denied", "job/j", _policy(), then=(Step((
        "wait", "--for=jsonpath={.status.observedGeneration}=1", "validatingadmissionpolicy/$NS", "--timeout=60s")),
        apply(job())), remedy=(
        delete("validatingadmissionpolicybinding/$NS"),)),
    Trouble("service-account-missing", "job/j", (job(serviceAccountName="fit"),),
            remedy=(apply(thing("ServiceAccount", "fit")),)),
    Trouble("priority-class-missing", "job/j", (job(priorityClassName="$NS"),),
            remedy=(apply({**shared("PriorityClass", "$NS", "scheduling.k8s.io/v1"), "value": 7}),)),
    Trouble("runtime-class-missing", "job/j", (job(runtimeClassName="$NS"),),
            remedy=(apply({**shared("RuntimeClass", "$NS", "node.k8s.io/v1"), "handler": "runc"}),)),
    Trouble("suspended", "job/j", (job(job={"suspend": True}),),
            remedy=(patch("job/j", '{"spec":{"suspend":false}}'),)),
    Trouble("stuck-terminating", "pod/p", (_HELD,), then=(delete("pod/p"),), state="failed"),
)  # fmt: skip
