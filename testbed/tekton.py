"""Tekton Pipelines beside a running testbed for a while: its definitions, its controller and its webhook.

Both are processes of the node; only the program that runs the steps of a pod is an image. The webhook makes its own
certificate and writes its authority into the configurations of webhooks. Nothing of all that is left at the end.
"""

from __future__ import annotations

import contextlib
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import building, cluster, images, kubectl, processes
from .faults import TestbedError
from .state import State

KINDS = ("task", "pipeline", "taskrun", "pipelinerun")
_NAMESPACE = "tekton-pipelines"
_WEBHOOK_PORT = 9470
_PORTS = {"tekton-webhook": (9471, 9472), "tekton-controller": (9473, 9474)}  # of health, and of profiles
_SETTINGS = (
    "config-defaults", "config-events", "config-leader-election", "config-logging", "config-registry-cert",
    "config-spire", "config-tracing", "config-wait-exponential-backoff", "pipelines-info",
)  # fmt: skip
"""The settings that must be there, and say nothing."""
_STARTING_S = 120.0
_CONFIGURATION = "mutatingwebhookconfigurations/webhook.pipeline.tekton.dev"


@contextlib.contextmanager
def operated(state: State) -> Iterator[tuple[str, ...]]:
    """Run Tekton, and take it away with its kinds and all their objects at the end.

    Args:
        state: The testbed's.

    Yields:
        The kinds that it runs.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    folder, image = building.build("tekton"), images.tekton_entrypoint()
    images.import_into(state, image)
    flags = [f"-{each}-image={image}" for each in ("entrypoint", "nop", "sidecarlogresults", "workingdirinit", "shell")]
    definitions = sorted((folder / "crds").glob("*.yaml"))
    with (
        tempfile.TemporaryDirectory(prefix="fairlead-tekton-") as scratch,
        kubectl.applied(state, definitions, _manifest(state)) as remove,
        _process(state, "tekton-webhook", [], Path(scratch)),
        _process(state, "tekton-controller", [*flags, f"-shell-image-win={image}"], Path(scratch)),
    ):
        if not processes.wait_until(lambda: _is_called(state), _STARTING_S):
            raise TestbedError("Tekton's webhook does not write its authority where the API server reads it")
        yield KINDS
        remove()  # while it still runs: its webhook is asked


def _manifest(state: State) -> str:
    running = cluster.running(state)
    assert running is not None
    metadata = f"metadata: {{name: %s, namespace: {_NAMESPACE}}}"
    settings = "".join(f"---\napiVersion: v1\nkind: ConfigMap\n{metadata % name}\n" for name in _SETTINGS)
    text = (kubectl.MANIFESTS / "tekton.yaml").read_text("utf-8")
    return string.Template(text).substitute(SETTINGS=settings, PORT=str(_WEBHOOK_PORT), ADDRESS=running.address)


@contextlib.contextmanager
def _process(state: State, name: str, flags: list[str], folder: Path) -> Iterator[None]:
    health, profiles = _PORTS[name]
    environment = {
        "KUBECONFIG": str(state.kubeconfig),
        "SYSTEM_NAMESPACE": _NAMESPACE,
        "CONFIG_LEADERELECTION_NAME": "config-leader-election",
        "WEBHOOK_PORT": str(_WEBHOOK_PORT),
        "WEBHOOK_SERVICE_NAME": "tekton-pipelines-webhook",
        "WEBHOOK_SECRET_NAME": "webhook-certs",
        "WEBHOOK_ADMISSION_CONTROLLER_NAME": "webhook.pipeline.tekton.dev",
        "PROBES_PORT": str(health),
        "PROFILING_PORT": str(profiles),
    }
    log = folder / f"{name}.log"
    with processes.beside([building.program(name, of="tekton"), *flags], log, folder, environment) as process:
        processes.wait_ready(name, process, log, health, "/readiness", _STARTING_S)
        yield


def _is_called(state: State) -> bool:
    """Say whether the API server knows how to call the webhook."""
    authority = kubectl.run(state, "get", _CONFIGURATION, "--output=jsonpath={.webhooks[0].clientConfig.caBundle}")
    return bool(authority)
