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
from fairlead.specs.runtimes import ClusterRuntime, GangRuntime
from fairlead.specs.steps import ContainerStep, Step
from fairlead.specs.volumes import Volume
from fairlead.targets.hardware import by_role, devices_per_node, hardware_refusals
from fairlead.targets.naming import PREFIX, dns_label
from fairlead.targets.overlays import KINDS
from fairlead.targets.restricted import annotation_faults
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
    yield from _sharing_refusals(graph)


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
    for path, each in by_role(step).items():
        if devices_per_node(each) is None:
            yield Fault(f"{path}.gpus", _unshared(each))
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
        yield from (Fault(f"{at}.{each.path}", each.message) for each in _source_refusals(step, volume))
        name, path = dns_label(volume.name), volume.path.rstrip("/") or "/"
        if name in names:
            yield Fault(f"{at}.name", f"{volume.name!r} is taken")
        if path in paths or ":" in path or "{{" in path or path == "/":
            yield Fault(f"{at}.path", f"nothing can be mounted at {volume.path!r}, or something is already")
        names.add(name)
        paths.add(path)


def _source_refusals(step: Step, volume: Volume) -> Iterator[Fault]:
    """Yield what can't be said of a volume on a cluster, with paths below it."""
    objects = [("claim", volume.claim), ("storage_class", volume.storage_class)]
    if volume.csi is not None:
        objects += [("csi.driver", volume.csi.driver), ("csi.secret", volume.csi.secret)]
    for field, name in objects:
        if name is not None and not _OBJECT.fullmatch(name):
            yield Fault(field, f"{name!r} can't be the name of one")
    open_texts = [("sub_path", volume.sub_path), ("annotations", volume.annotations)]
    open_texts += [("csi.attributes", volume.csi.attributes)] if volume.csi is not None else []
    for field, value in open_texts:
        if "{{" in "".join(texts(value)):
            yield Fault(field, "holds '{{', which Argo would replace")
    for key in volume.annotations:
        if key.startswith(PREFIX):
            yield Fault(f"annotations.{key}", f"annotations that begin with {PREFIX} are Fairlead's")
    yield from annotation_faults(volume.annotations, "annotations")
    if volume.is_of_run and volume.access_mode != "ReadWriteMany" and _has_many_pods(step):
        why = "the step's pods may be on several nodes: ReadWriteMany, or lasts='pod' for a volume of each"
        yield Fault("access_mode", f"{volume.access_mode} is of one node at a time, and {why}")


def _has_many_pods(step: Step) -> bool:
    runtime = step.runtime
    return isinstance(runtime, ClusterRuntime) or (isinstance(runtime, GangRuntime) and runtime.nodes > 1)


def _sharing_refusals(graph: Graph) -> Iterator[Fault]:
    """Yield the volumes that steps share under one name, and that are not the same."""
    said: dict[str, tuple[str, Volume]] = {}
    for key, step in graph.steps.items():
        for position, volume in enumerate(step.volumes):
            if not volume.is_of_run:
                continue
            other, first = said.setdefault(volume.name, (key, volume))
            for field in ("size", "storage_class", "access_mode"):
                if getattr(volume, field) != getattr(first, field):
                    why = f"differs from that of step {other!r}, with which the step shares it"
                    yield Fault(f"steps.{key}.volumes[{position}].{field}", why)
