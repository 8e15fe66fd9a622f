"""The pods of a run: a step's, one that waits for a gang, a gang's rank. Every target makes them here.

What a step's overlay adds is merged last, and the whole is then held against the ``restricted`` profile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from fairlead.specs.contexts import Context, Submission
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import ClusterRuntime, GangRuntime
from fairlead.specs.steps import ContainerStep, DriverStep, Environment, FunctionStep, Step, SweepStep
from fairlead.targets import naming
from fairlead.targets.hardware import device_annotations, pod_claims
from fairlead.targets.overlays import overlay, refused
from fairlead.targets.resources import SMALL, resources
from fairlead.targets.restricted import pod_faults
from fairlead.targets.scheduling import scheduling
from fairlead.targets.standing import variables as standing_variables
from fairlead.targets.validating import pod_field_faults
from fairlead.targets.volumes import (
    BROUGHT,
    DELIVERED,
    DELIVERY,
    DELIVERY_MOUNT,
    FACTS,
    MOUNTED,
    WORK,
    delivery,
    mounts,
    own_mounts,
    own_volumes,
    volume_annotations,
    volumes,
)

MAIN = "main"
"""The container that runs the step, unless the pod names another one."""
CONTAINER = "kubectl.kubernetes.io/default-container"
"""The annotation by which it does: a component may insist on a name. kubectl goes by it too.

Source: https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container
"""
ON_PATH = "any/fairlead/worker/pods/path"
"""The folder, among what is delivered, by which a Python finds the code of a step: it goes into ``PYTHONPATH``."""
QUEUE = "kueue.x-k8s.io/queue-name"
"""The label that names the LocalQueue of a pod or a job."""
GROUP = "kueue.x-k8s.io/pod-group-name"
"""The label that names the group of pods that a queue admits together."""

RANKS = "fairlead.engines.kubernetes.inside.rank"
"""The module that runs the ranks of a node."""

PodSpec = dict[str, Any]
Container = dict[str, Any]


def is_driving(step: Step) -> bool:
    """Say whether a step's pod creates others: a driver's, or one that waits for a gang."""
    return isinstance(step, DriverStep | SweepStep) or is_gang(step)


def is_gang(step: Step) -> bool:
    """Say whether a step runs in several pods, and its own pod waits for them."""
    return isinstance(step.runtime, GangRuntime)


def step_pod(submission: Submission, step: Step, *where: str, facts: str = FACTS) -> PodSpec:
    """Return the pod of a step: the user's image with the worker in it, or for a gang the one who waits for it.

    Args:
        submission: Where it runs.
        step: The step.
        *where: The arguments that say which instance it is.
        facts: The folder where it tells what others wait for.

    Raises:
        SpecError: An overlay makes it what no pod of a run may be.
    """
    context = submission.context
    arguments = [*identity(submission), *where, f"--facts={facts}"]
    module = "fairlead.engines.kubernetes.inside.main" if is_driving(step) else "fairlead.worker.pods.main"
    if is_gang(step):
        return own_pod(context, module, *arguments, driving=True)
    return _user_pod(submission, step, module, arguments, driving=is_driving(step))


def rank_pod(submission: Submission, step: Step, *where: str, module: str = RANKS) -> PodSpec:
    """Return the pod of one node of a gang, or of the one process of a step that has a cluster work for it.

    Args:
        submission: Where it runs.
        step: The step.
        *where: The arguments that say which attempt it is of, and how it finds its place.
        module: What runs there.

    Raises as `step_pod` does.
    """
    return _user_pod(submission, step, module, [*identity(submission), *where], driving=False)


def launcher_pod(submission: Submission, step: Step, *where: str, module: str) -> PodSpec:
    """Return the pod of a gang that starts its ranks in those of its nodes, and runs none itself.

    It has the image of the step, and nothing of what the step works with: no accelerators, volumes or secrets.

    Args:
        submission: Where it runs.
        step: The step.
        *where: The arguments that say which attempt it is of, and where the nodes are.
        module: What runs there.

    Raises as `step_pod` does.
    """
    environment = msgspec.structs.replace(step.environment, secrets=())
    bare = msgspec.structs.replace(step, resources=Resources(), volumes=(), environment=environment)
    return _user_pod(submission, bare, module, [*identity(submission), *where], driving=False)


def node_pod(submission: Submission, step: Step, *where: str) -> PodSpec:
    """Return the pod of a node of a framework's cluster: with the step's code, and without a command.

    Every Python in it finds the step's modules and packages, as the framework starts them by names of its own.

    Args:
        submission: Where it runs.
        step: The step.
        *where: The arguments that say which attempt it is of.

    Raises as `step_pod` does.
    """
    arguments = [*identity(submission), *where]
    made = _user_pod(submission, step, "fairlead.worker.pods.arriving", arguments, driving=False)
    arriving = main_of(made)
    own = {name: value for name, value in arriving.items() if name != "command"}
    own["env"] = [*own["env"], {"name": "PYTHONPATH", "value": f"{worker_of(submission.context, step)}/{ON_PATH}"}]
    others = [each for each in made["containers"] if each is not arriving]
    return {
        **made,
        "initContainers": [*made.get("initContainers", ()), {**arriving, "name": "code"}],
        "containers": [own, *others],
    }


def standing_pod(submission: Submission, step: Step) -> PodSpec:
    """Return the pod of a node of a cluster that stands by itself: what a step works with, and nothing of a run.

    Its environment has the step's variables too, as no worker sets them.

    Args:
        submission: What stands for one: where it is.
        step: The step.

    Raises as `step_pod` does.
    """
    context = submission.context
    runs = {DELIVERY, "fairlead-work"}
    variables = [{"name": name, "value": value} for name, value in step.environment.variables.items()]
    container = {
        "image": _image(context, step),
        "volumeMounts": _but(mounts(step), runs),
        "resources": resources(context, step),
        "securityContext": container_security(),
        "env": [{"name": "HOME", "value": "/tmp"}, *variables, *_secrets(step)],
    }
    made = {
        **_pod(context, container, driving=False),
        "volumes": _but(volumes(submission, step), runs),
        **scheduling(context, step),
    }
    return _overlaid(step, made)


def worker_of(context: Context, step: Step) -> str:
    """Return the folder where a step's container has the worker: nobody delivers it into the image that delivers it."""
    if _image(context, step) == context.worker_image:
        return BROUGHT
    return MOUNTED if context.delivery == "volume" else DELIVERED


def copying(submission: Submission) -> Submission:
    """Return a submission as targets have it whose pods can't mount an image: the worker is copied."""
    return msgspec.structs.replace(submission, context=msgspec.structs.replace(submission.context, delivery="copy"))


def main_of(spec: PodSpec) -> Container:
    """Return the container that runs the step."""
    found: Container = next(each for each in spec["containers"] if each["name"] == MAIN)
    return found


def of_role(step: Step, role: str) -> Step:
    """Return a step as the nodes of one role of its framework's cluster have it: with their resources."""
    assert isinstance(step.runtime, ClusterRuntime)
    return msgspec.structs.replace(step, resources=step.runtime.resources_of(role, step.resources))


def debug_pod(submission: Submission, step: Step) -> PodSpec:
    """Return a pod as the step has it, or a rank of its gang, in which nothing runs. Raises as `step_pod` does."""
    return _user_pod(submission, step, "fairlead.worker.debugging.sleeping", [], driving=False)


def layer_pod(submission: Submission, image: str, *where: str) -> PodSpec:
    """Return the pod that installs the packages of steps once, in their image, with pip's variables of the context.

    Args:
        submission: Where it runs.
        image: The image.
        *where: The arguments that say whose packages they are.
    """
    context = submission.context
    bare = FunctionStep(name="layer", function="layer:layer", environment=Environment(image=image))
    arguments = [*identity(submission), *where, f"--image={image}"]
    made = _user_pod(submission, bare, "fairlead.worker.pods.layering", arguments, driving=False)
    if context.pip_secret:
        container = made["containers"][0]
        container["envFrom"] = [*container.get("envFrom", ()), {"secretRef": {"name": context.pip_secret}}]
    return made


def _user_pod(submission: Submission, step: Step, module: str, arguments: list[str], *, driving: bool) -> PodSpec:
    context = submission.context
    worker = worker_of(context, step)
    apart = (DELIVERY,) if worker == BROUGHT else ()
    container = {
        "image": _image(context, step),
        "command": ["python3", f"{worker}/start.py", module, *arguments],
        "volumeMounts": _but(mounts(step), apart),
        "resources": resources(context, step),
        "securityContext": container_security(),
        **_environment(context, step),
    }
    made = {
        **_pod(context, container, driving=driving),
        "volumes": _but(volumes(submission, step), apart),
        **({"initContainers": [_delivery(context)]} if worker == DELIVERED else {}),
        **scheduling(context, step),
        **pod_claims(submission, step),
    }
    return _overlaid(step, made)


def _but(listed: Iterable[dict[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    """Return volumes, or where they are mounted, but for those with certain names."""
    return [each for each in listed if each["name"] not in names]


def _overlaid(step: Step, made: PodSpec) -> PodSpec:
    """Return a pod with a step's overlays of pods merged into it, held against what pods may be."""
    merged = overlay(made, "Pod", step.overlays)
    wrong = {each.path: each for each in pod_faults(merged, made, "overlays.Pod")}
    if merged is not made:
        wrong |= {each.path: each for each in pod_field_faults(merged, "overlays.Pod")}
    if wrong:
        raise refused(f"step {step.name!r}", "Pod", [*wrong.values()])
    return merged


def own_pod(context: Context, module: str, *arguments: str, driving: bool = False) -> PodSpec:
    """Return a pod of Fairlead's own image that runs one of its modules."""
    container = own_container(context, module, *arguments)
    priority = {"priorityClassName": context.priority} if context.priority else {}
    return {**_pod(context, container, driving=driving), "volumes": own_volumes(), **priority}


def mounting_pod(context: Context, module: str, *arguments: str) -> PodSpec:
    """Return a pod of Fairlead's own image that runs a module as pods of steps have it, where its image is mounted."""
    made = own_pod(context, module, *arguments)
    main = main_of(made)
    mounted = {
        **main,
        "command": ["python3", f"{MOUNTED}/start.py", module, *arguments],
        "volumeMounts": [DELIVERY_MOUNT, *main["volumeMounts"]],
    }
    return {**made, "containers": [mounted], "volumes": [delivery(context), *made["volumes"]]}


def _pod(context: Context, container: Container, *, driving: bool) -> PodSpec:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": context.driver_service_account if driving else context.service_account,
        "automountServiceAccountToken": driving,
        "securityContext": pod_security(context.user),
        "containers": [{"name": MAIN, **container}],
    }


def own_container(context: Context, module: str, *arguments: str) -> Container:
    """Return a container of Fairlead's own image, which needs no delivery."""
    return {
        "image": context.worker_image,
        "command": ["python3", f"{BROUGHT}/start.py", module, *arguments],
        "volumeMounts": own_mounts(),
        "resources": SMALL,
        "securityContext": container_security(),
        **_environment(context, None),
    }


def _delivery(context: Context) -> Container:
    """Return the init container that puts the worker where the step's container finds it."""
    return {
        "name": DELIVERY,
        "image": context.worker_image,
        "command": ["cp", "-r", f"{BROUGHT}/.", DELIVERED],
        "volumeMounts": [{"name": DELIVERY, "mountPath": DELIVERED}],
        "resources": SMALL,
        "securityContext": container_security(),
    }


def container_security() -> dict[str, Any]:
    """Return what the ``restricted`` profile asks of a container, and a root file system that is read only."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security(user: int | None) -> dict[str, Any]:
    """Return what the ``restricted`` profile asks of a pod."""
    base: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return base if user is None else {**base, "runAsUser": user, "runAsGroup": user, "fsGroup": user}


def _environment(context: Context, step: Step | None) -> dict[str, Any]:
    """Return a container's environment: the store's by reference, and the secrets that a step names.

    A step's variables are not in it: the worker sets them, for the step's own process alone.
    """
    variables: list[dict[str, Any]] = [
        {"name": "HOME", "value": "/tmp"},
        {"name": "FAIRLEAD_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "FAIRLEAD_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    ]
    if step:
        variables += [*standing_variables(step), *_secrets(step)]
    found: dict[str, Any] = {"env": variables}
    if context.store_secret:
        found["envFrom"] = [{"secretRef": {"name": context.store_secret}}]
    return found


def _secrets(step: Step) -> list[dict[str, Any]]:
    return [
        {"name": each.variable, "valueFrom": {"secretKeyRef": {"name": each.name, "key": each.key}}}
        for each in step.environment.secrets
    ]


def _image(context: Context, step: Step) -> str:
    return step.image if isinstance(step, ContainerStep) else step.environment.image or context.image


def queue_label(context: Context, step: Step) -> dict[str, str]:
    """Return the label by which a queue admits a step's pod, or its job as a whole; none where there is no queue.

    Source: https://kueue.sigs.k8s.io/docs/tasks/run/plain_pods/
    """
    queue = step.queue or context.queue
    return {QUEUE: queue} if queue else {}


def step_labels(step: Step) -> dict[str, str]:
    """Return the labels of a step's pods beside the run's."""
    return {**step.labels, naming.STEP: naming.label_value(step.name)}


def working_annotations(context: Context, step: Step) -> dict[str, str]:
    """Return the annotations of a pod that has what a step works with: what its devices and its volumes need."""
    return {**volume_annotations(step), **device_annotations(context, step)}


def step_annotations(context: Context, step: Step) -> dict[str, str]:
    """Return the annotations of a step's own pod; one that waits for a gang has nothing that would need some."""
    return {} if is_gang(step) else working_annotations(context, step)


def identity(submission: Submission) -> list[str]:
    """Return the arguments that say which run a pod is of."""
    return [
        f"--store={submission.context.store}",
        f"--run={submission.run}",
        f"--revision={submission.revision}",
        f"--generation={submission.generation}",
        f"--cancels-before={submission.cancels_before}",
        f"--work={WORK}",
    ]
