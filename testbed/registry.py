"""A registry of images beside a running testbed, for a while, which asks for a name and a password.

It speaks plain HTTP, on the address that the store has. The node's containerd is told so until the end.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import asking, building, images, network, processes
from .faults import TestbedError
from .state import State

PORT = 5000
HOST = f"{network.LOCAL}:{PORT}"
"""What the names of its images begin with."""
USER = PASSWORD = "fairlead-testbed"
_HASH = "$2b$10$4Zc7b9ql3bYdBbqpZ4x1ZOHti7iQmelC5n2ROpcNKOtqMEFr7HrA."  # of that password, by bcrypt
_STARTING_S = 30.0


@contextlib.contextmanager
def served(state: State) -> Iterator[tuple[str, ...]]:
    """Run the registry, with nothing in it, until the block ends.

    Args:
        state: The testbed's.

    Yields:
        What the names of its images begin with.

    Raises:
        TestbedError: It can't be built, or did not start.
    """
    known = state.registries / HOST
    with tempfile.TemporaryDirectory(prefix="fairlead-registry-") as scratch:
        folder, log = Path(scratch), Path(scratch) / "registry.log"
        (folder / "users").write_text(f"{USER}:{_HASH}\n")
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
            "http": {"addr": HOST},
            "auth": {"htpasswd": {"realm": "testbed", "path": str(folder / "users")}},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        command = [building.program("registry", of="registry"), "serve", folder / "settings.json"]
        try:
            known.mkdir(parents=True, exist_ok=True)
            (known / "hosts.toml").write_text(f'server = "http://{HOST}"\n')
            with processes.beside(command, log, folder):
                if not processes.wait_until(lambda: asking.over_http(network.LOCAL, PORT, "/"), _STARTING_S):
                    raise TestbedError(f"the registry does not answer; its log ends with\n{processes.tail(log)}")
                yield (HOST,)
        finally:
            shutil.rmtree(known, ignore_errors=True)


def push(state: State, tag: str, name: str) -> str:
    """Put an image that the testbed has into the registry, and return how it is called there.

    Raises:
        BuildFailed: containerd or the registry refused.
    """
    there = f"{HOST}/{name}"
    images.control(state, "push", "--plain-http", "--user", f"{USER}:{PASSWORD}", there, tag)
    return there


def credentials() -> str:
    """Return what a Secret of the type ``kubernetes.io/dockerconfigjson`` holds for it."""
    return json.dumps({"auths": {HOST: {"username": USER, "password": PASSWORD}}})
