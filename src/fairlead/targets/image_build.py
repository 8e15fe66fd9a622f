"""An image with the packages of a lock: a ``Job`` in which BuildKit, without root, builds and pushes it.

BuildKit needs namespaces of its own, and therefore no seccomp and no AppArmor profile: no namespace that enforces the
``baseline`` or ``restricted`` Pod Security Standard admits the job. Nothing else that Fairlead creates needs that.

Source: https://github.com/moby/buildkit/blob/master/docs/rootless.md
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Context
from fairlead.specs.requirements import Requirements
from fairlead.targets import naming
from fairlead.targets.orders import Manifest

BUILDER = "moby/buildkit:rootless"
"""The image that builds, where no other is named."""

_DEADLINE_S = 3600
_KEPT_S = 24 * 3600
_BUILDER_USER = 1000
_IMAGE_USER = 65532
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "PIP_PROXY")
"""The variables of pip that the build is given as secrets, which no layer of the image holds."""


class ImageBuild(NamedTuple):
    """What is to be built.

    Attributes:
        lock: The packages.
        base: The image that they are added to; it has Python.
        push: The name under which the result is pushed.
        push_secret: The Secret of the type ``kubernetes.io/dockerconfigjson`` that allows it; none where it is empty.
        builder: The image of BuildKit.
    """

    lock: Requirements
    base: str
    push: str
    push_secret: str = ""
    builder: str = BUILDER


def containerfile(build: ImageBuild, context: Context) -> str:
    """Return the instructions: pip comes with the worker's image, and is not left in the result."""
    mounts = [
        f"--mount=type=bind,from={context.worker_image},source=/opt/fairlead/pip.whl,target=/mnt/pip.whl",
        "--mount=type=bind,source=requirements.txt,target=/mnt/requirements.txt",
        *(f"--mount=type=secret,id={name},env={name}" for name in _PIP),
    ]
    options = ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--break-system-packages"]
    options += ["--require-hashes"] if build.lock.hashed else []
    options += [] if build.lock.builds else ["--only-binary=:all:"]
    command = f"PYTHONPATH=/mnt/pip.whl python3 -m pip install {' '.join(options)} -r /mnt/requirements.txt"
    run = " \\\n    ".join(["RUN", *mounts, command])
    user = _IMAGE_USER if context.user is None else context.user
    return f"FROM {build.base}\nUSER 0:0\n{run}\nUSER {user}:{user}\n"


def render(build: ImageBuild, context: Context, namespace: str, mark: str) -> list[Manifest]:
    """Compile it: a ConfigMap with the instructions and the lock, and the job.

    Args:
        build: What is to be built.
        context: Where.
        namespace: The namespace, known by now; it must admit what BuildKit needs.
        mark: What tells this build from others.
    """
    files = {"Containerfile": containerfile(build, context), "requirements.txt": build.lock.text.decode()}
    name = naming.dns_label(f"fairlead-image-{mark}")
    labels = {**context.labels, "app.kubernetes.io/managed-by": "fairlead"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    config: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": files}
    job: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "annotations": {naming.PREFIX + "lock": digest_bytes(build.lock.text)}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": _DEADLINE_S,
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(build, context, name)},
        },
    }
    return [naming.marked(config), naming.marked(job)]


def _pod(build: ImageBuild, context: Context, name: str) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "context", "configMap": {"name": name}},
        {"name": "state", "emptyDir": {}},
    ]
    mounts: list[Manifest] = [
        {"name": "context", "mountPath": "/context", "readOnly": True},
        {"name": "state", "mountPath": "/state"},
    ]
    if build.push_secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        volumes.append({"name": "push", "secret": {"secretName": build.push_secret, "items": items}})
        mounts.append({"name": "push", "mountPath": "/push", "readOnly": True})
    arguments = [
        "build", "--frontend=dockerfile.v0", "--local=context=/context", "--local=dockerfile=/context",
        "--opt=filename=Containerfile", f"--output=type=image,name={build.push},push=true",
        *(f"--secret=id={each},env={each}" for each in _PIP),
    ]  # fmt: skip
    container: Manifest = {
        "name": "main",
        "image": build.builder,
        "command": ["buildctl-daemonless.sh", *arguments],
        "env": [
            {"name": "BUILDKITD_FLAGS", "value": "--root=/state --oci-worker-no-process-sandbox"},
            {"name": "DOCKER_CONFIG", "value": "/push"},
        ],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
        "securityContext": {
            "runAsUser": _BUILDER_USER,
            "runAsGroup": _BUILDER_USER,
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
        },
        "volumeMounts": mounts,
    }
    if context.pip_secret:
        container["envFrom"] = [{"secretRef": {"name": context.pip_secret}}]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": volumes,
    }
