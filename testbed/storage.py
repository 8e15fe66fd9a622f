"""A CSI driver beside a running testbed, for a while: buckets of its object store as volumes, mounted by Debian's s3fs.

The driver is ``tools/csi-bucket/driver.py``, a process in the node's mount namespace, as what it mounts is for the
kubelet. It makes no volumes: an administrator does, or pods name their bucket themselves.
"""

from __future__ import annotations

import contextlib
import shutil
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import commands, kubectl, machine, operators, processes, versions
from .components import node
from .faults import TestbedError
from .state import State

DRIVER = "bucket.testbed.fairlead.dev"
"""The name of the driver."""
SECRET = "bucket"
"""The Secret in the namespace of runs with the keys of the object store, in the driver's words."""
_STARTING_S = 60.0


@contextlib.contextmanager
def provided(state: State) -> Iterator[tuple[str, ...]]:
    """Run the driver, and take it away at the end; pods that have volumes of it should be gone by then.

    Args:
        state: The testbed's.

    Yields:
        The driver's name.

    Raises:
        TestbedError: It did not start.
    """
    if shutil.which("s3fs") is None:
        machine.install("s3fs")
    python, kubelet = operators.python_environment("csi-bucket") / "bin/python", state.folder / "kubelet"
    program = versions.HERE / "tools/csi-bucket/driver.py"
    command = [*node.entering(state), python, program, DRIVER, node.NAME, kubelet]
    with tempfile.TemporaryDirectory(prefix="fairlead-storage-") as scratch, _described(state):
        log = Path(scratch) / "driver.log"
        try:
            with processes.beside(command, log, Path(scratch)):
                if not processes.wait_until(lambda: _is_registered(state), _STARTING_S):
                    raise TestbedError(
                        f"the kubelet does not take the driver; its log ends with\n{processes.tail(log)}"
                    )
                yield (DRIVER,)
                commands.run(*node.entering(state), "umount", "--all", "--lazy", "--types", "fuse.s3fs")
        finally:
            (kubelet / "plugins_registry" / f"{DRIVER}-reg.sock").unlink(missing_ok=True)


def _is_registered(state: State) -> bool:
    found = kubectl.run(state, "get", "csinode", node.NAME, "--output=jsonpath={.spec.drivers[*].name}")
    return DRIVER in found.split()


@contextlib.contextmanager
def _described(state: State) -> Iterator[None]:
    """Have the driver and the keys in the API server until the block ends."""
    lines = state.store_environment.read_text("utf-8").splitlines()
    store = dict(line.split("=", 1) for line in lines)
    manifest = string.Template((kubectl.MANIFESTS / "storage.yaml").read_text("utf-8")).substitute(store)
    try:
        kubectl.run(state, "apply", "--server-side", "--force-conflicts", "--filename=-", given=manifest)
        yield
    finally:
        kubectl.run(state, "delete", "--ignore-not-found", "--filename=-", given=manifest)
