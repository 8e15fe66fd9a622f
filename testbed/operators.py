"""Operators that are started beside a running testbed for a while, with their definitions; nothing of them is left.

Those without webhooks are here; `tekton` and `training_operator` have modules of their own.
"""

from __future__ import annotations

import contextlib
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from . import building, kubectl, processes, versions
from .faults import BuildFailed
from .state import State

_MPI_HEALTH_PORT = 9452
"""As ``versions.toml`` has it."""
_RAY_HEALTH_PORT, _DASK_HEALTH_PORT, _SPARK_HEALTH_PORT = 9460, 9461, 9462
_STARTING_S = 120.0


@contextlib.contextmanager
def kuberay(state: State) -> Iterator[tuple[str, ...]]:
    """Run KubeRay, which asks Ray's dashboards through the API server: it is no pod.

    Args:
        state: The testbed's.

    Yields:
        The kinds that it runs.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    folder = building.build("kuberay")
    command = [
        folder / "kuberay-operator",
        f"--kubeconfig={state.kubeconfig}",
        "--enable-leader-election=false",
        "--metrics-addr=0",
        f"--health-probe-bind-address=127.0.0.1:{_RAY_HEALTH_PORT}",
        "--use-kubernetes-proxy",
    ]
    definitions = [folder / f"crds/ray.io_{plural}.yaml" for plural in ("rayclusters", "rayjobs", "rayservices")]
    definitions += (folder / "crds").glob("ray.io_raycronjobs.yaml")
    with operated(state, "kuberay", command, definitions, (_RAY_HEALTH_PORT, "/readyz")):
        yield ("rayjob", "raycluster")


@contextlib.contextmanager
def dask(state: State) -> Iterator[tuple[str, ...]]:
    """Run Dask's operator, a Python package, in an environment of its own. As `kuberay`."""
    environment = python_environment("dask-operator")
    package = next(environment.glob("lib/python*/site-packages/dask_kubernetes/operator"))
    command = [
        environment / "bin/kopf", "run", "-m", "dask_kubernetes.operator.controller", "--all-namespaces",
        f"--liveness=http://127.0.0.1:{_DASK_HEALTH_PORT}/healthz",
    ]  # fmt: skip
    kinds = ("daskautoscaler", "daskcluster", "daskjob", "daskworkergroup")
    chart = package / "deployment/helm/dask-kubernetes-operator"
    definitions = [chart / f"crds/{kind}.yaml" for kind in kinds]
    with operated(state, "dask-operator", command, definitions, (_DASK_HEALTH_PORT, "/healthz")):
        yield kinds


@contextlib.contextmanager
def spark(state: State) -> Iterator[tuple[str, ...]]:
    """Run Spark's operator, without the webhook that changes pods: pods from templates need none. As `kuberay`.

    It submits applications by ``spark-submit``, for which this machine needs a Java runtime; PySpark brings the rest.
    Their templates it writes below ``/tmp/spark``. Spark's client can't read the administrator's key, an elliptic one:
    it is given a token of an account that has the operator's rights.
    """
    folder = building.build("spark-operator")
    command: list[str | Path] = [
        folder / "spark-operator", "controller", "start", "--enable-ui-service=false",
        f"--health-probe-bind-address=127.0.0.1:{_SPARK_HEALTH_PORT}",
    ]  # fmt: skip
    kinds = ("sparkapplication", "scheduledsparkapplication", "sparkconnect")
    definitions = [folder / f"crds/sparkoperator.k8s.io_{kind}s.yaml" for kind in kinds]
    with operated(
        state, "spark-operator", command, definitions, (_SPARK_HEALTH_PORT, "/readyz"), environment=_submitting
    ):
        yield kinds


def _submitting(state: State) -> dict[str, str]:
    """Return the variables by which ``spark-submit`` finds Spark, and its client the cluster."""
    server = kubectl.run(state, "config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}")
    place = urlsplit(server)
    home = next(python_environment("frameworks").glob("lib/python*/site-packages/pyspark"))
    token = kubectl.run(state, "create", "token", "spark-operator", "--namespace=fairlead", "--duration=12h")
    return {
        "SPARK_HOME": str(home),
        "KUBERNETES_SERVICE_HOST": place.hostname or "",
        "KUBERNETES_SERVICE_PORT": str(place.port),
        "KUBERNETES_AUTH_TRYKUBECONFIG": "false",
        "KUBERNETES_AUTH_TOKEN": token.strip(),
        "KUBERNETES_CERTS_CA_FILE": str(state.certificates / "ca.crt"),
    }


@contextlib.contextmanager
def mpi(state: State) -> Iterator[tuple[str, ...]]:
    """Run the MPI Operator. As `kuberay`."""
    folder = building.build("mpi-operator")
    command: list[str | Path] = [
        folder / "mpi-operator",
        f"--kubeConfig={state.kubeconfig}",
        "--lock-namespace=fairlead",
    ]
    definitions = [folder / "crds/kubeflow.org_mpijobs.yaml"]
    with operated(state, "mpi-operator", command, definitions, (_MPI_HEALTH_PORT, "/healthz")):
        yield ("mpijob",)


@contextlib.contextmanager
def operated(
    state: State,
    name: str,
    command: list[str | Path],
    definitions: Iterable[Path],
    health: tuple[int, str],
    *,
    prepare: Callable[[Path], Mapping[str, str]] = lambda _: {},
    environment: Callable[[State], Mapping[str, str]] = lambda _: {},
) -> Iterator[None]:
    """Run an operator with its definitions, and take both away at the end, with all objects of its kinds.

    Args:
        state: The testbed's.
        name: The file of ``manifests/`` with what it needs beside its definitions.
        command: What runs it.
        definitions: Files with the definitions of its kinds.
        health: The port and the path where it says by HTTP that it is ready.
        prepare: Makes what the operator needs in the folder that it is in, which it has for its temporary files too;
            returns what stands for ``${NAME}`` in the file.
        environment: Returns variables of the operator, once its file is applied.
    """
    manifest = string.Template((kubectl.MANIFESTS / f"{name}.yaml").read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix=f"fairlead-{name}-") as scratch:
        folder, log = Path(scratch), Path(scratch, "operator.log")
        with kubectl.applied(state, [*definitions], manifest.substitute(prepare(folder))) as remove:
            given = {"KUBECONFIG": str(state.kubeconfig), "TMPDIR": scratch, **environment(state)}
            with processes.beside(command, log, folder, given) as process:
                processes.wait_ready(name, process, log, *health, _STARTING_S)
                yield
                remove()  # while it still runs: what it has made may wait for it to be removed


def python_environment(name: str) -> Path:
    """Return an environment with the packages of ``tools/NAME/requirements.txt``, made once for each content of it.

    Raises:
        BuildFailed: It could not be made; the message ends with pip's own words.
    """
    requirements = versions.HERE / "tools" / name / "requirements.txt"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = building.tools() / name / versions.digest([requirements.read_bytes(), python.encode()])
    with building.locked(target.with_name(f"{target.name}.lock")):
        if not (target / "made").exists():
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(target)],
                [str(target / "bin/pip"), "install", "--quiet", "--requirement", str(requirements)],
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise BuildFailed(f"{command[0]} gave {done.returncode} for {name}: {done.stderr[-1500:]}")
            (target / "made").touch()
    return target
