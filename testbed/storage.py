"""Storage beside a running testbed: an object store's CSI driver, and what makes volumes for claims by it.

The driver is csi-s3, whose volumes are buckets of the testbed's MinIO, mounted by s3fs of Debian. The driver, who tells
the kubelet of it, and the provisioner are processes of the machine; the driver is in the node's mount namespace, as
what it mounts is for the kubelet. Nothing of them is left at the end.
"""

from __future__ import annotations

import contextlib
import shutil
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import asking, building, commands, kubectl, machine, operators, processes, versions
from .components import node
from .faults import TestbedError
from .state import State

DRIVER = "ru.yandex.s3.csi"
"""The name of the driver."""
CLASS = "objects"
"""The storage class by which a claim becomes a bucket of its own, which goes with the claim."""
_PORT = 9462
_STARTING_S, _REMOVING_S = 60.0, 60.0


@contextlib.contextmanager
def provided(state: State) -> Iterator[tuple[str, ...]]:
    """Run all of it, and take it away at the end, with the claims of its class.

    Args:
        state: The testbed's.

    Yields:
        The name of the storage class.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    if shutil.which("s3fs") is None:
        machine.install("s3fs")
    driver, provisioner = building.build("csi-s3") / "s3driver", building.build("csi-provisioner") / "csi-provisioner"
    python = operators.python_environment("csi-registrar") / "bin/python"
    kubelet = state.folder / "kubelet"
    socket = kubelet / "plugins" / DRIVER / "csi.sock"
    registered = kubelet / "plugins_registry" / f"{DRIVER}-reg.sock"
    with (
        tempfile.TemporaryDirectory(prefix="fairlead-storage-") as scratch,
        _described(state),
        contextlib.ExitStack() as running,
    ):

        def run(name: str, *command: str | Path) -> None:
            running.enter_context(processes.beside(command, Path(scratch) / f"{name}.log", Path(scratch)))

        running.callback(registered.unlink, missing_ok=True)
        run("csi-s3", *node.entering(state), driver, f"--endpoint=unix://{socket}", f"--nodeid={node.NAME}")
        run("registrar", python, versions.HERE / "tools/csi-registrar/registrar.py", registered, DRIVER, socket)
        serving = f"--http-endpoint=127.0.0.1:{_PORT}"
        run("csi-provisioner", provisioner, f"--csi-address={socket}", f"--kubeconfig={state.kubeconfig}", serving)
        if not processes.wait_until(lambda: _is_ready(state), _STARTING_S):
            logs = "\n".join(f"== {log.stem}\n{processes.tail(log)}" for log in sorted(Path(scratch).glob("*.log")))
            raise TestbedError(
                f"the CSI driver did not come to be known to the kubelet, or has no provisioner:\n{logs}"
            )
        try:
            yield (CLASS,)
        finally:
            _remove_claims(state)  # while what unmounts and removes their volumes still runs
            commands.run(*node.entering(state), "umount", "--all", "--lazy", "--types", "fuse.s3fs")


def _is_ready(state: State) -> bool:
    """Say whether the kubelet has taken the driver, and the provisioner runs."""
    drivers = kubectl.run(state, "get", "csinode", node.NAME, "--output=jsonpath={.spec.drivers[*].name}")
    return DRIVER in drivers.split() and asking.over_http("127.0.0.1", _PORT, "/metrics")


@contextlib.contextmanager
def _described(state: State) -> Iterator[None]:
    """Have the driver, its keys and its class in the API server until the block ends."""
    lines = state.store_environment.read_text("utf-8").splitlines()
    store = dict(line.split("=", 1) for line in lines)
    manifest = string.Template((kubectl.MANIFESTS / "storage.yaml").read_text("utf-8")).substitute(store)
    try:
        kubectl.run(state, "apply", "--server-side", "--force-conflicts", "--filename=-", given=manifest)
        yield
    finally:
        kubectl.run(state, "delete", "--ignore-not-found", "--filename=-", given=manifest)


def _remove_claims(state: State) -> None:
    """Remove what pods have of the driver's volumes, and wait until the volumes that were made for them are gone."""
    where = (
        'jsonpath={range .items[?(@.spec.csi.driver=="'
        + DRIVER
        + '")]}{.spec.claimRef.namespace}/{.spec.claimRef.name}{"\\n"}{end}'
    )
    for claim in kubectl.run(state, "get", "persistentvolumes", f"--output={where}").split():
        namespace, _, name = claim.partition("/")
        kubectl.run(
            state,
            "delete",
            "persistentvolumeclaim",
            name,
            f"--namespace={namespace}",
            "--ignore-not-found",
            "--wait=false",
        )
    gone = f'jsonpath={{.items[?(@.spec.storageClassName=="{CLASS}")].metadata.name}}'
    processes.wait_until(lambda: not kubectl.run(state, "get", "persistentvolumes", f"--output={gone}"), _REMOVING_S)
