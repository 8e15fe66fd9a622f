"""Jobs that their queue holds back."""

from __future__ import annotations

from insight.troubles.manifests import (
    Object,
    Step,
    Trouble,
    apply,
    container,
    delete,
    job,
    patch,
    replace,
    shared,
    thing,
)

_VERSION = "kueue.x-k8s.io/v1beta2"
_SMALL = container(resources={"requests": {"cpu": "100m"}})


def _flavor(name: str = "$NS", **fields: object) -> Object:
    return shared("ResourceFlavor", name, _VERSION, spec=fields)


def _cluster_queue(cpu: str, name: str = "$NS", *, flavor: str = "$NS", borrows: str = "", **fields: object) -> Object:
    quota = {"name": "cpu", "nominalQuota": cpu, **({"borrowingLimit": borrows} if borrows else {})}
    groups = [{"coveredResources": ["cpu"], "flavors": [{"name": flavor, "resources": [quota]}]}]
    return shared("ClusterQueue", name, _VERSION, spec={"namespaceSelector": {}, "resourceGroups": groups, **fields})


def _local_queue(of: str = "$NS", **fields: object) -> Object:
    return thing("LocalQueue", "q", _VERSION, spec={"clusterQueue": of, **fields})


def _queued(name: str = "j", cpu: str = "100m", labels: dict[str, str] | None = None, **fields: object) -> Object:
    asks = container(resources={"requests": {"cpu": cpu}})
    queue = {"kueue.x-k8s.io/queue-name": "q", **(labels or {})}
    return job(name=name, labels=queue, **{"main": asks, **fields})


def _queue(cpu: str = "100m", **fields: object) -> tuple[Object, Object, Object]:
    return _flavor(), _cluster_queue(cpu, **fields), _local_queue()


def _check() -> Object:
    return shared("AdmissionCheck", "$NS", _VERSION, spec={"controllerName": "example.com/check"})


def _priority(name: str, value: int) -> Object:
    return {**shared("WorkloadPriorityClass", name, _VERSION), "value": value}


_CHECKED = {"admissionChecksStrategy": {"admissionChecks": [{"name": "$NS"}]}}
_ACTIVE = (
    '{"status":{"conditions":[{"type":"Active","status":"True","reason":"Active","message":"ready",'
    '"lastTransitionTime":"2026-11-20T10:00:00Z"}]}}'
)

TROUBLES = (
    Trouble("quota-used-up", "job/j", _queue(), then=(apply(_queued("first")), Step(
        ("wait", "--for=jsonpath={.spec.suspend}=false", "job/first", "--timeout=60s")), apply(_queued())),
        remedy=(delete("job/first"),)),
    Trouble("quota-never-enough", "job/j", (*_queue("50m"), _queued()), remedy=(apply(_cluster_queue("200m")),)),
    Trouble("borrowing-limit", "job/j", (
        _flavor(), _cluster_queue("50m", cohortName="$NS", borrows="20m"),
        _cluster_queue("900m", "$NS-lender", cohortName="$NS"), _local_queue(), _queued()),
        remedy=(apply(_cluster_queue("50m", cohortName="$NS", borrows="100m")),)),
    Trouble("queue-missing", "job/j", (_queued(),), remedy=(apply(*_queue()),)),
    Trouble("cluster-queue-missing", "job/j", (_flavor(), _local_queue(), _queued()),
            remedy=(apply(_cluster_queue("100m")),)),
    Trouble("queue-held", "job/j", (*_queue(stopPolicy="Hold"), _queued()),
            remedy=(patch("clusterqueue/$NS", '{"spec":{"stopPolicy":"None"}}'),)),
    Trouble("queue-held", "job/j", (
        _flavor(), _cluster_queue("100m"), _local_queue(stopPolicy="Hold"), _queued()), variant="local",
        remedy=(patch("localqueue/q", '{"spec":{"stopPolicy":"None"}}'),)),
    Trouble("queue-inactive", "job/j", (_cluster_queue("100m"), _local_queue(), _queued()), remedy=(apply(_flavor()),)),
    Trouble("queue-inactive", "job/j", (*_queue(**_CHECKED), _queued()), variant="check"),
    Trouble("no-flavor", "job/j", (
        _flavor(nodeLabels={"pool": "a"}), _cluster_queue("100m"), _local_queue(),
        _queued(nodeSelector={"pool": "b"}))),
    Trouble("no-flavor", "job/j", (
        _flavor(nodeTaints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]), _cluster_queue("100m"),
        _local_queue(), _queued()), variant="taint",
        remedy=(replace(_queued(tolerations=[{"key": "gpu", "operator": "Exists"}])),)),
    Trouble("resource-not-in-queue", "job/j", (*_queue(), _queued(main=container(
        resources={"requests": {"cpu": "1m", "memory": "1Mi"}}))), remedy=(replace(_queued()),)),
    Trouble("queue-not-for-namespace", "job/j", (
        *_queue(namespaceSelector={"matchLabels": {"team": "$NS"}}), _queued()),
        remedy=(patch("clusterqueue/$NS", '{"spec":{"namespaceSelector":{"matchLabels":null}}}'),)),
    Trouble("fifo-head-blocks", "job/j", _queue(queueingStrategy="StrictFIFO"), then=(
        apply(_queued("first", "60m")), Step(
            ("wait", "--for=jsonpath={.spec.suspend}=false", "job/first", "--timeout=60s")),
        apply(_queued("head", "80m")), Step(
            ("wait", "--for=create", "workload", "--all", "--timeout=10s")), apply(_queued("j", "20m"))),
        remedy=(delete("job/head"),)),
    Trouble("admission-check-waits", "job/j", (*_queue(**_CHECKED), _check()), then=(
        patch("admissioncheck/$NS", _ACTIVE, "--subresource=status"), apply(_queued()))),
    Trouble("workload-deactivated", "job/j", _queue("50m"), then=(apply(_queued()), Step(
        ("wait", "--for=create", "workload", "--all", "--timeout=10s")), Step(
            ("patch", "workload/$WORKLOAD", "--type=merge", '--patch={"spec":{"active":false}}')))),
    Trouble("workload-preempted", "job/j", (
        *_queue(preemption={"withinClusterQueue": "LowerPriority"}), _priority("$NS-low", 1), _priority("$NS-high", 9)),
        then=(apply(_queued(labels={"kueue.x-k8s.io/priority-class": "$NS-low"})), Step(
            ("wait", "--for=jsonpath={.spec.suspend}=false", "job/j", "--timeout=60s")),
            apply(_queued("higher", labels={"kueue.x-k8s.io/priority-class": "$NS-high"}))),
        remedy=(delete("job/higher"),)),
    Trouble("execution-time-exceeded", "job/j", (*_queue(), _queued(
        labels={"kueue.x-k8s.io/max-exec-time-seconds": "2"}))),
)  # fmt: skip
