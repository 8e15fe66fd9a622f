"""What can't run on a cluster, or could only by leaving out something that was asked for: said before anything is sent.

Whether a cluster has the nodes and the quota is not said here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.errors import Fault, nearest
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.specs.labels import label_faults
from fairlead.specs.requirements import read_requirements
from fairlead.specs.runtimes import ClusterRuntime
from fairlead.specs.steps import ContainerStep, Step
from fairlead.targets.hardware import devices_per_node, hardware_refusals
from fairlead.targets.naming import PREFIX, dns_label
from fairlead.targets.overlays import KINDS
from fairlead.targets.training.gang_scheduling import scheduling_refusals
from fairlead.targets.training.table import targets
from fairlead.targets.volumes import OWN_NAMES, OWN_PATHS

_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_IMAGE = re.compile(r"[^\s{}]+")
_QUEUE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", re.ASCII)


def refusals(graph: Graph, context: Context) -> Iterator[Fault]:
    """Yield why a graph can't run in a context, with paths into the graph."""
    if not context.worker_image:
        yield Fault("", "the context has no worker image: fairlead context add … --worker-image IMAGE")
    for key, step in graph.steps.items():
        if not (step.environment.image or context.image or isinstance(step, ContainerStep)):
            why = "is not named, and the context has none: fairlead context add … --image IMAGE"
            yield Fault(f"steps.{key}.environment.image", why)
        for fault in (*step_refusals(step), *placing_refusals(step, context)):
            yield Fault(f"steps.{key}{'.' if fault.path else ''}{fault.path}", fault.message)


def placing_refusals(step: Step, context: Context) -> Iterator[Fault]:
    """Yield why a context's cluster can't place a step, with paths below it."""
    yield from hardware_refusals(step, context)
    yield from scheduling_refusals(step, context)


def label_refusals(labels: dict[str, str]) -> Iterator[Fault]:
    """Yield the labels of a run that no object of a cluster can have."""
    yield from label_faults(labels)
    for key in labels:
        if key.startswith(PREFIX):
            yield Fault(f"labels.{key}", f"labels that begin with {PREFIX} are Fairlead's")


def step_refusals(step: Step) -> Iterator[Fault]:
    """Yield why a step can't run on a cluster, with paths below it."""
    if step.runtime.roles and not isinstance(step.runtime, ClusterRuntime):
        yield Fault("runtime.roles", "can't be had on a cluster yet: all nodes of a gang are alike")
    if devices_per_node(step) is None:
        yield Fault("resources.gpus", _unshared(step))
    for overlay in step.overlays:
        kinds = [*KINDS, *(kind for each in targets().values() for kind in (*each.overlays, each.awaited.kind))]
        if overlay.kind not in kinds:
            yield Fault(
                "overlays", f"nothing that a step becomes is a {overlay.kind!r}; {nearest(overlay.kind, kinds)}"
            )
        if "{{" in "".join(texts(overlay.patch)):
            yield Fault("overlays", "hold '{{', which Argo would replace after the whole was checked")
    yield from label_refusals(step.labels)
    for position, why in read_requirements(step.environment.packages).faults:
        yield Fault(f"environment.packages[{position}]", why)
    yield from _name_refusals(step)
    yield from _volume_refusals(step)


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, keys too."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from (str(name), *texts(each))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def _unshared(step: Step) -> str:
    accelerator = step.resources.accelerator
    assert accelerator is not None and accelerator.model.chips_per_host
    hosts = max(1, accelerator.count // accelerator.model.chips_per_host)
    topology = f"{accelerator.model.name}:{accelerator.topology}"
    return f"{topology} has {hosts} hosts, one node each: runtimes.jax(nodes={hosts})"


def _name_refusals(step: Step) -> Iterator[Fault]:
    """Yield the names of other objects that can't be such names."""
    for field, name, form in (("queue", step.queue, _QUEUE), ("priority", step.priority, _OBJECT)):
        if name and not form.fullmatch(name):
            yield Fault(field, f"{name!r} can't be the name of one")
    if isinstance(step, ContainerStep) and not _IMAGE.fullmatch(step.image):
        yield Fault("image", f"{step.image!r} can't be the name of one")
    if step.environment.image and not _IMAGE.fullmatch(step.environment.image):
        yield Fault("environment.image", f"{step.environment.image!r} can't be the name of one")
    for position, secret in enumerate(step.environment.secrets):
        path = f"environment.secrets[{position}]"
        if not _OBJECT.fullmatch(secret.name):
            yield Fault(f"{path}.name", f"{secret.name!r} can't be the name of a Secret")
        if not _KEY.fullmatch(secret.key):
            yield Fault(f"{path}.key", f"{secret.key!r} can't be a key of a Secret")


def _volume_refusals(step: Step) -> Iterator[Fault]:
    names, paths = set(OWN_NAMES), set(OWN_PATHS)
    for position, volume in enumerate(step.volumes):
        at = f"volumes[{position}]"
        if volume.claim is None:
            yield Fault(f"{at}.size", "a volume that is made for the step can't be had on a cluster yet; name a claim")
        elif not _OBJECT.fullmatch(volume.claim):
            yield Fault(f"{at}.claim", f"{volume.claim!r} can't be the name of a claim")
        name, path = dns_label(volume.name), volume.path.rstrip("/") or "/"
        if name in names:
            yield Fault(f"{at}.name", f"{volume.name!r} is taken")
        if path in paths or ":" in path or "{{" in path or path == "/":
            yield Fault(f"{at}.path", f"nothing can be mounted at {volume.path!r}, or something is already")
        names.add(name)
        paths.add(path)
