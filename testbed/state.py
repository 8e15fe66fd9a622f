"""The state folder: where everything lies that a running testbed writes, and whose it is.

The machine has one testbed at a time: its ports, its bridge and an address on ``lo`` are the machine's own.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from . import versions
from .faults import TestbedError

LONGEST = 72  # characters: containerd's socket in it must fit into the 107 of a Unix socket's path
CHECKOUT = versions.HERE.parent


class Owner(NamedTuple):
    """Which checkout started a testbed, and of which versions it is."""

    checkout: str
    versions: str


class State(NamedTuple):
    """The state folder, and the names of what is in it."""

    folder: Path

    @property
    def certificates(self) -> Path:
        """Keys and certificates, of the cluster's own authority."""
        return self.folder / "certificates"

    @property
    def logs(self) -> Path:
        """One file of output a process, and its predecessor's."""
        return self.folder / "logs"

    @property
    def processes(self) -> Path:
        """One record a process that was started."""
        return self.folder / "processes"

    @property
    def absent(self) -> Path:
        """One file for each component that could not be had, with the reason."""
        return self.folder / "absent"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, with the context ``testbed``."""
        return self.folder / "admin.kubeconfig"

    @property
    def store_environment(self) -> Path:
        """What an S3 client's environment must hold, as NAME=VALUE lines."""
        return self.folder / "store.env"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.folder / "containerd.sock"

    @property
    def registries(self) -> Path:
        """One folder for each registry of images that containerd needs to be told of."""
        return self.folder / "registries"

    @property
    def mark(self) -> str:
        """A short name for this state folder, for what belongs to it outside: its control group."""
        return "fairlead-testbed-" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]

    def owner(self) -> Owner | None:
        """Return who started the testbed in this folder, or None when nobody did."""
        try:
            return Owner(**json.loads((self.folder / "owner.json").read_text("utf-8")))
        except FileNotFoundError:
            return None

    def own(self) -> None:
        """Record that this checkout starts the testbed."""
        write(self.folder / "owner.json", json.dumps(ours()._asdict(), indent=1))

    def disown(self) -> None:
        """Record that no testbed is running here."""
        (self.folder / "owner.json").unlink(missing_ok=True)


def current() -> State:
    """Return the state folder of this machine's testbed (``FAIRLEAD_TESTBED`` names another one).

    Raises:
        TestbedError: Its path is too long, or can't be used in the configuration files.
    """
    named = os.environ.get("FAIRLEAD_TESTBED") or "/var/lib/fairlead-testbed"
    folder = Path(named).resolve()
    if len(str(folder)) > LONGEST or any(character.isspace() for character in str(folder)):
        raise TestbedError(
            f"the state folder {folder} has {len(str(folder))} characters; {LONGEST} are allowed, none of them blank:"
            " name another one in FAIRLEAD_TESTBED"
        )
    return State(folder)


def ours() -> Owner:
    """Return what this checkout would record as its own."""
    return Owner(str(CHECKOUT), versions.whole())


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a whole file or nothing, readable to nobody else where the mode says so, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w", encoding="utf-8") as output:
        output.write(text)
    unfinished.replace(path)
