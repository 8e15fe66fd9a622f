"""What a step's accelerators are on one cluster: extended resources or claims of devices, and what goes with them.

Devices that are allocated by claims need a template of the claim beside the pod. Its name is a function of the run and
of what it says, so that all pods of a run that want the same devices share one; it goes with the run's workflow.

Sources: https://github.com/NVIDIA/k8s-device-plugin, https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu,
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from fairlead.errors import Fault
from fairlead.naming import digest_bytes
from fairlead.specs.accelerators import AcceleratorRequest
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.hardware import Advertised, Extra, Toleration, advertised, label_form
from fairlead.specs.runtimes import ClusterRuntime, RankRuntime
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.orders import Manifest

CLAIM = "accelerators"
"""The name by which a pod knows its claim, and the claim its request."""

_PRODUCT = "nvidia.com/gpu.product"
_ATTRIBUTES = "device.attributes['gpu.nvidia.com']"
_ONE_HOST_OF_EIGHT = "2x4"
"""The TPU topology that one machine has too: GKE's machines of eight chips."""


def hardware_refusals(step: Step, context: Context) -> Iterator[Fault]:
    """Yield what of a step's accelerators a context's hardware can't give, with paths below the step."""
    for path, each in by_role(step).items():
        for why in _lacking(context, each.resources.accelerator):
            yield Fault(f"{path}.gpus", why)


def _lacking(context: Context, asked: AcceleratorRequest | None) -> Iterator[str]:
    if asked is None:
        return
    try:
        found = advertised(context.hardware, asked)
    except LookupError as error:
        yield str(error.args[0])
        return
    if found.sharing and asked.count > 1:
        why = f"are shares ({found.sharing}), which may be of one card: ask for 1"
        yield f"{asked.count} of {asked.model.name} {why}"


def by_role(step: Step) -> dict[str, Step]:
    """Return a step as its pods have it, by the path of their resources: the nodes of a role may have their own."""
    runtime = step.runtime
    if not isinstance(runtime, ClusterRuntime):
        return {"resources": step}
    found = {}
    for role in runtime.nodes_by_role:
        path = f"runtime.roles.{role}.resources" if role in runtime.roles else "resources"
        found[path] = msgspec.structs.replace(step, resources=runtime.resources_of(role, step.resources))
    return found


def devices(context: Context, step: Step) -> dict[str, int]:
    """Return how much of which extended resource a step's accelerators are; nothing where they are claimed."""
    asked, found = _found(context, step)
    if asked is None or found.device_class:
        return {}
    return {resource_name(asked, found): (devices_per_node(step) or asked.count) * found.units}


def device_resources(context: Context, step: Step) -> dict[str, str]:
    """Return the amounts of the extended resources of a step's accelerators, and of what goes with them."""
    asked, found = _found(context, step)
    if asked is None:
        return {}
    count = devices_per_node(step) or asked.count
    own = {name: str(amount) for name, amount in devices(context, step).items()}
    for extra in _extras(found, step):
        own |= _times(extra.per_device, count) | _times(extra.per_node, 1)
    return own


def device_annotations(context: Context, step: Step) -> dict[str, str]:
    """Return the annotations that pods with a step's accelerators have."""
    asked, found = _found(context, step)
    extras = _extras(found, step) if asked else ()
    return {name: text for extra in extras for name, text in extra.annotations.items()}


def resource_name(asked: AcceleratorRequest, found: Advertised) -> str:
    """Return the extended resource: ``nvidia.com/gpu``, ``nvidia.com/mig-1g.5gb.me``."""
    is_slice = asked.mig_profile is not None and found.mig != "single"
    return found.resource or (f"nvidia.com/mig-{_written(asked)}" if is_slice else asked.model.resource)


def devices_per_node(step: Step) -> int | None:
    """Return how many devices each node of a step has; None for a slice that its nodes can't share out."""
    accelerator = step.resources.accelerator
    if accelerator is None:
        return 0
    per_host = accelerator.model.chips_per_host
    if accelerator.topology is None or per_host is None:
        return accelerator.count
    nodes = step.runtime.nodes if isinstance(step.runtime, RankRuntime) else 1
    if nodes == 1 and (accelerator.count <= per_host or accelerator.topology == _ONE_HOST_OF_EIGHT):
        return accelerator.count
    return per_host if nodes * per_host == accelerator.count else None


# Where they are ------------------------------------------------------------------------------


def node_labels(context: Context, step: Step) -> dict[str, tuple[str, ...]]:
    """Return the labels that a node must have for a step's accelerators, each with the values that will do.

    Devices that are claimed are found by what they are, not by labels of their node.
    """
    asked, found = _found(context, step)
    if asked is None:
        return {}
    products = {} if found.device_class or not found.products else {_PRODUCT: _product_labels(asked, found)}
    return {**products, **found.labels}


def node_tolerations(context: Context, step: Step) -> tuple[Toleration, ...]:
    """Return the taints of nodes that a step with accelerators tolerates: by custom one has the resource's name."""
    asked, found = _found(context, step)
    return (Toleration(key=asked.model.resource, effect="NoSchedule"), *found.tolerations) if asked else ()


def _product_labels(asked: AcceleratorRequest, found: Advertised) -> tuple[str, ...]:
    """Return what nodes with these cards are labelled with, where they are shared or cut too."""
    suffix = ""
    if found.mig == "single":
        suffix = f"-MIG-{_written(asked)}"
    elif found.sharing and resource_name(asked, found) == asked.model.resource:  # a resource's own name says it else
        suffix = "-SHARED"
    return tuple(label_form(each) + suffix for each in found.products)


# Claims --------------------------------------------------------------------------------------


def claims(submission: Submission, steps: Iterable[Step]) -> list[Manifest]:
    """Compile the templates of the claims that the pods of some steps refer to, each once."""
    found: dict[str, Manifest] = {}
    for each in (each for step in steps for each in by_role(step).values()):
        spec = _claim_spec(submission.context, each)
        if spec:
            name = _claim_name(submission, spec)
            labels = naming.run_labels(submission)
            found[name] = {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceClaimTemplate",
                "metadata": {"name": name, "namespace": submission.namespace, "labels": labels},
                "spec": {"metadata": {"labels": labels}, "spec": spec},
            }
    return [naming.marked(each) for each in found.values()]


def pod_claims(submission: Submission, step: Step) -> dict[str, Any]:
    """Return the field by which a pod refers to the template of its claim; none where it claims nothing."""
    spec = _claim_spec(submission.context, step)
    if not spec:
        return {}
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": _claim_name(submission, spec)}]}


def container_claims(context: Context, step: Step) -> dict[str, Any]:
    """Return the field by which a container uses its pod's claim."""
    return {"claims": [{"name": CLAIM}]} if _claim_spec(context, step) else {}


def _claim_name(submission: Submission, spec: Mapping[str, Any]) -> str:
    return naming.claim_name(submission, digest_bytes(naming.as_json(spec)))


def _claim_spec(context: Context, step: Step) -> dict[str, Any]:
    asked, found = _found(context, step)
    if asked is None or not found.device_class:
        return {}
    selectors = [{"cel": {"expression": each}} for each in (*_selectors(asked, found), *found.selectors)]
    exactly = {
        "deviceClassName": found.device_class,
        "allocationMode": "ExactCount",
        "count": devices_per_node(step) or asked.count,
        **({"selectors": selectors} if selectors else {}),
    }
    return {"devices": {"requests": [{"name": CLAIM, "exactly": exactly}]}}


def _selectors(asked: AcceleratorRequest, found: Advertised) -> Iterator[str]:
    """Yield what tells a device of the product or the profile that is asked for from others of its class."""
    if found.products:
        names = ", ".join(map(_quoted, found.products))
        yield f"{_ATTRIBUTES}.productName in [{names}]"
    if asked.mig_profile is not None:
        yield f"{_ATTRIBUTES}.profile == {_quoted(asked.mig_profile.name)}"


def _quoted(text: str) -> str:
    """Return a text as CEL has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


# ---------------------------------------------------------------------------------------------


def _found(context: Context, step: Step) -> tuple[AcceleratorRequest | None, Advertised]:
    """Return what a step asks for and how the context's cluster has it.

    A step that asks for what the cluster has not was refused, unless it has ended, elsewhere: that one is compiled all
    the same where a run is cut into parts, and is never sent.
    """
    asked = step.resources.accelerator
    with suppress(LookupError):
        return asked, advertised(context.hardware, asked) if asked else Advertised()
    return asked, Advertised()


def _extras(found: Advertised, step: Step) -> list[Extra]:
    """Return what goes with the devices, and with the network of a step of several nodes."""
    several = isinstance(step.runtime, RankRuntime) and step.runtime.nodes > 1
    return [found, found.gangs] if several else [found]


def _times(amounts: Mapping[str, str | int], count: int) -> dict[str, str]:
    """Return amounts so many times, each with its own suffix."""
    found = {}
    for name, amount in amounts.items():
        digits = str(amount).rstrip("KMGTik")
        found[name] = f"{int(digits) * count}{str(amount)[len(digits) :]}"
    return found


def _written(asked: AcceleratorRequest) -> str:
    """Return a MIG profile as names have it: with ``.`` for ``+``."""
    assert asked.mig_profile is not None
    return asked.mig_profile.name.replace("+", ".")
