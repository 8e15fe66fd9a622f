"""Kinds: which group, version and plural they have, and the paths of their objects.

A kind that is not among the constants is made with `Kind`. Whether a cluster serves it, `discovery` tells.
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from fairlead.errors import UsageError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of objects in one version.

    Args:
        group: The API group; empty for the core.
        version: ``v1``, ``v1beta2``, …
        kind: As in a manifest: ``Pod``.
        plural: As in a path: ``pods``.
        namespaced: Its objects lie in namespaces.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As in a manifest: ``batch/v1``, or ``v1`` for the core."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def at(self, version: str) -> Kind:
        """Return the same kind in another version."""
        return replace(self, version=version)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of the kind's objects, of one of them, or of its subresource.

        Args:
            namespace: Empty for all namespaces, and for a kind without.
            name: Empty for all objects.
            subresource: ``status``, ``log``, …
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        elif self.namespaced and name:
            raise UsageError(f"{self.kind} {name} needs a namespace: its kind has objects in namespaces only")
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.kind} ({self.api_version})"


def name_of(manifest: dict[str, Any]) -> str:
    """Return an object's name; empty where the server shall make one."""
    name: str = manifest.get("metadata", {}).get("name", "")
    return name


def name_kind(manifest: dict[str, Any], kind: Kind) -> None:
    """Write into an object what it is, where it does not say so: the objects of a list do not."""
    manifest.setdefault("apiVersion", kind.api_version)
    manifest.setdefault("kind", kind.kind)


def _core(kind: str, plural: str, *, namespaced: bool = True) -> Kind:
    return Kind("", "v1", kind, plural, namespaced)


CONFIG_MAP = _core("ConfigMap", "configmaps")
EVENT = _core("Event", "events")
LIMIT_RANGE = _core("LimitRange", "limitranges")
NAMESPACE = _core("Namespace", "namespaces", namespaced=False)
NODE = _core("Node", "nodes", namespaced=False)
PERSISTENT_VOLUME = _core("PersistentVolume", "persistentvolumes", namespaced=False)
PERSISTENT_VOLUME_CLAIM = _core("PersistentVolumeClaim", "persistentvolumeclaims")
POD = _core("Pod", "pods")
RESOURCE_QUOTA = _core("ResourceQuota", "resourcequotas")
SECRET = _core("Secret", "secrets")
SERVICE = _core("Service", "services")
SERVICE_ACCOUNT = _core("ServiceAccount", "serviceaccounts")

CRON_JOB = Kind("batch", "v1", "CronJob", "cronjobs")
JOB = Kind("batch", "v1", "Job", "jobs")
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
PRIORITY_CLASS = Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False)
DEVICE_CLASS = Kind("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False)
RESOURCE_SLICE = Kind("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False)
RESOURCE_CLAIM = Kind("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims")
RESOURCE_CLAIM_TEMPLATE = Kind("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

CRON_WORKFLOW = Kind("argoproj.io", "v1alpha1", "CronWorkflow", "cronworkflows")
WORKFLOW = Kind("argoproj.io", "v1alpha1", "Workflow", "workflows")
WORKFLOW_TEMPLATE = Kind("argoproj.io", "v1alpha1", "WorkflowTemplate", "workflowtemplates")

CLUSTER_QUEUE = Kind("kueue.x-k8s.io", "v1beta2", "ClusterQueue", "clusterqueues", namespaced=False)
LOCAL_QUEUE = Kind("kueue.x-k8s.io", "v1beta2", "LocalQueue", "localqueues")
RESOURCE_FLAVOR = Kind("kueue.x-k8s.io", "v1beta2", "ResourceFlavor", "resourceflavors", namespaced=False)
WORKLOAD = Kind("kueue.x-k8s.io", "v1beta2", "Workload", "workloads")
WORKLOAD_PRIORITY_CLASS = Kind(
    "kueue.x-k8s.io", "v1beta2", "WorkloadPriorityClass", "workloadpriorityclasses", namespaced=False
)

JOB_SET = Kind("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets")
TRAIN_JOB = Kind("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs")
RAY_CLUSTER = Kind("ray.io", "v1", "RayCluster", "rayclusters")
RAY_JOB = Kind("ray.io", "v1", "RayJob", "rayjobs")
INFERENCE_SERVICE = Kind("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")
