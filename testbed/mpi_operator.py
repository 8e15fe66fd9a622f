"""The MPI Operator beside a running testbed, with its definition, for a while. Nothing of it is left at the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import building, kubectl, processes
from .state import State

KINDS = ("mpijob",)
HEALTH_PORT = 9452
"""As ``versions.toml`` has it."""
_STARTING_S = 60.0


@contextlib.contextmanager
def operated(state: State) -> Iterator[tuple[str, ...]]:
    """Run the operator, and take it away with its kind and all its objects at the end.

    Args:
        state: The testbed's.

    Yields:
        The kinds that it runs.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    definition = building.build("mpi-operator") / "crds/kubeflow.org_mpijobs.yaml"
    manifest = (kubectl.MANIFESTS / "mpi-operator.yaml").read_text("utf-8")
    with (
        tempfile.TemporaryDirectory(prefix="fairlead-operator-") as folder,
        kubectl.applied(state, [definition], manifest) as remove,
        _operator(state, Path(folder)),
    ):
        yield KINDS
        remove()


@contextlib.contextmanager
def _operator(state: State, folder: Path) -> Iterator[None]:
    command = [
        building.program("mpi-operator", of="mpi-operator"),
        f"--kubeConfig={state.kubeconfig}",
        "--lock-namespace=fairlead",
    ]
    log = folder / "operator.log"
    with processes.beside(command, log, folder) as process:
        processes.wait_ready("mpi-operator", process, log, HEALTH_PORT, "/healthz", _STARTING_S)
        yield
