"""Building an image from a lock in a cluster."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from fairlead.authoring.locks import read_lock
from fairlead.engines.kubernetes.submitting import create
from fairlead.errors import UsageError
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.runs import contexts
from fairlead.runs.rendering import namespace_of
from fairlead.specs.contexts import Context
from fairlead.specs.requirements import read_requirements
from fairlead.targets import image_build
from fairlead.targets.image_build import ImageBuild
from fairlead.targets.orders import Manifest

MARK = "00000000"
"""What stands for a build's own mark where it is only printed."""

_IMAGE = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._:/@]*", re.ASCII)


def read_build(file: Path, context: Context, *, base: str, push: str, push_secret: str, builder: str) -> ImageBuild:
    """Return what is to be built of a lock.

    Raises:
        UsageError, SpecError: The lock can't be read, or the context lacks an image.
    """
    for field, image in (("image", base or context.image), ("worker-image", context.worker_image)):
        if not image:
            raise UsageError(
                f"an image can't be built in the context {context.name!r}",
                why=f"it has no {field}",
                next=f"fairlead context add {context.name} … --{field} IMAGE",
            )
    for option, image in (("--push", push), ("--base", base), ("--builder", builder)):
        if image and not _IMAGE.fullmatch(image):
            raise UsageError(f"{option} {image!r} can't be the name of an image")
    lock = read_requirements(read_lock(file, None).text.decode().splitlines())
    return ImageBuild(lock, base or context.image, push, push_secret, builder or image_build.BUILDER)


def render(build: ImageBuild, context: Context, namespace: str = "") -> list[Manifest]:
    """Return what a build would create; neither the cluster nor the store is asked."""
    return image_build.render(build, context, namespace or namespace_of(context), MARK)


def submit(build: ImageBuild, on: str, namespace: str = "") -> Manifest:
    """Create the objects of a build; returns its job.

    Raises:
        ClusterError: The cluster can't be reached, or refuses.
    """
    context = contexts.find(on)
    connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
    place = namespace or context.namespace or connection.namespace
    client = Client(connection)
    config, job = image_build.render(build, context, place, secrets.token_hex(4))
    made = create(client, job)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": made["metadata"]["name"], "uid": made["metadata"]["uid"]}
    create(client, {**config, "metadata": {**config["metadata"], "ownerReferences": [owner]}})
    return job
