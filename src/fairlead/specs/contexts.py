"""A context: a named connection to a cluster, and what runs there are given unless they say otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from fairlead.errors import Fault
from fairlead.naming import name_fault
from fairlead.specs.gang_scheduling import parse_gang_scheduler
from fairlead.specs.hardware import Hardware, hardware_faults
from fairlead.specs.labels import label_faults
from fairlead.specs.unschedulable import parse_unschedulable

DELIVERIES = ("copy", "volume")
"""How the worker comes into a step's container: copied there by an init container, or its image mounted."""
LOCAL = "local"
"""The context that is always there: this machine."""


class Context(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where runs go, by reference: files and secrets are named here, and never copied.

    Attributes:
        kubeconfig: The path of a kubeconfig; what ``KUBECONFIG`` says where it is empty.
        kube_context: The context in it; its current one where it is empty.
        namespace: Where objects are created; the kubeconfig's where it is empty.
        store: The URL of the artifact store, as pods and this machine reach it.
        store_secret: The Secret of the namespace whose keys are the store's environment variables.
        store_env: A file of this machine with the same variables, ``NAME=value`` a line; the process's own
            environment where it is empty.
        pip_secret: The Secret of the namespace whose keys are pip's variables, ``PIP_INDEX_URL`` and the like, for
            pods that install packages.
        service_account: The ServiceAccount of steps.
        driver_service_account: The ServiceAccount of drivers and of those who create gangs.
        image: The image of steps that name none.
        worker_image: The image that delivers Fairlead's worker into them.
        delivery: How; one of `DELIVERIES`. Mounting takes no time and no space, and a cluster with image volumes: the
            feature ``ImageVolume`` of Kubernetes, and a runtime that executes what is in one, as containerd does.
            Source: https://kubernetes.io/docs/tasks/configure-pod-container/image-volumes/
        queue: The LocalQueue of runs.
        priority: The priority class of runs.
        labels: Labels of everything that is created.
        user: The user id that steps run as, where an image has none that is not root.
        unschedulable: What becomes of a step that can't be scheduled; see `fairlead.specs.unschedulable`.
        targets: What runs steps with ranks, by the kind of their runtime: ``{"torch": "jobset"}``. Where nothing is
            said, the first target that the cluster has the component for.
        gang_scheduler: What places the pods of a gang together or not at all, where Kueue does not see to it; see
            `fairlead.specs.gang_scheduling`.
        hardware: What hardware the cluster has, and how it advertises it; as the vendors' plugins do where it is None.
    """

    name: str
    kubeconfig: str = ""
    kube_context: str = ""
    namespace: str = ""
    store: str
    store_secret: str = ""
    store_env: str = ""
    pip_secret: str = ""
    service_account: str = "default"
    driver_service_account: str = "default"
    image: str = ""
    worker_image: str = ""
    delivery: str = "copy"
    queue: str = ""
    priority: str = ""
    labels: dict[str, str] = {}
    user: int | None = None
    unschedulable: str = ""
    targets: dict[str, str] = {}
    gang_scheduler: str = ""
    hardware: Hardware | None = None


def context_faults(context: Context) -> Iterator[Fault]:
    """Yield what is wrong with a context, with paths."""
    if fault := name_fault(context.name):
        yield Fault("name", fault)
    if context.name == LOCAL:
        yield Fault("name", "'local' is this machine")
    if urlsplit(context.store).scheme not in ("s3", "gs", "az"):
        yield Fault("store", f"must be s3://…, gs://… or az://…, which pods can reach too; got {context.store!r}")
    if context.delivery not in DELIVERIES:
        yield Fault("delivery", f"must be one of {', '.join(DELIVERIES)}; got {context.delivery!r}")
    yield from label_faults(context.labels)
    try:
        parse_unschedulable(context.unschedulable)
    except ValueError as error:
        yield Fault("unschedulable", str(error))
    try:
        scheduler = parse_gang_scheduler(context.gang_scheduler)
    except ValueError as error:
        yield Fault("gang_scheduler", str(error))
    else:
        if scheduler and scheduler.kind == "volcano" and context.queue:
            yield Fault(
                "gang_scheduler", f"Volcano and Kueue's queue {context.queue!r} would both admit gangs: say one"
            )
    if context.hardware is not None:
        yield from (Fault(f"hardware.{each.path}", each.message) for each in hardware_faults(context.hardware))


class Submission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One submission of a run to a cluster: what every object that comes of it is made from, beside the graph.

    Attributes:
        run: The run's id.
        flow: The flow's name.
        context: Where it goes; without what is only of use on the machine that submits.
        namespace: The namespace, known by now.
        generation: The number of the claim it is submitted under: names carry it.
        revision: Which of the run's specs counts.
        cancels_before: How often somebody had asked to cancel the run before.
        user: Who submitted it.
        labels: The run's own labels.
        targets: The names of the targets that were chosen for steps with ranks, by the kind of their runtime.
    """

    run: str
    flow: str
    context: Context
    namespace: str
    generation: int = 1
    revision: int = 0
    cancels_before: int = 0
    user: str = ""
    labels: dict[str, str] = {}
    targets: dict[str, str] = {}


class Launch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pod that launches a published flow is told.

    Attributes:
        name: The name of what launches it: a schedule's, and its objects'.
        flow: The flow's name.
        digest: Which of its publications.
        context: Where its runs go, and the pod is itself; without what is only of use on the machine of a person.
        labels: The runs' own labels.
        use_cache: Whether results of earlier runs are used.
    """

    name: str
    flow: str
    digest: str
    context: Context
    labels: dict[str, str] = {}
    use_cache: bool = True


def inside(context: Context) -> Context:
    """Return what of a context is of use in its cluster: nothing of the machine that it was registered on."""
    return msgspec.structs.replace(context, kubeconfig="", kube_context="", store_env="")
