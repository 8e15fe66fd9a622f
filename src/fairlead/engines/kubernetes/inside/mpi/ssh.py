"""The SSH by which ``mpirun`` reaches the pods of the nodes: server and client with configuration of their own.

Both run as the user of the pod, who may write nowhere but into its volumes: nothing of ``/etc/ssh`` or of a home is
read. All pods of a gang have one pair of keys, made for it. It is what the server shows, and the only one that it lets
in, so that neither side takes a stranger for one of the gang.

Source: https://man.openbsd.org/sshd_config, https://man.openbsd.org/ssh_config
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from fairlead.engines.kubernetes.inside.mpi import session
from fairlead.errors import FairleadError

_SBIN = ("/usr/sbin", "/usr/local/sbin")
"""Where servers lie, which is not on everybody's path."""
_NO_SHELLS = ("nologin", "false")


class ImageError(FairleadError):
    """The image of a step lacks what MPI needs; another attempt of its pod would not have it either."""


def check_image(*programs: str) -> None:
    """See that the image of this pod has what ``mpirun`` and SSH need.

    Args:
        *programs: The programs that are started here.

    Raises:
        ImageError: Something is missing.
    """
    missing = [*(f"it has no {each}" for each in programs if found(each) is None), *_user_faults()]
    if missing:
        raise ImageError(
            "the image of the step can't run MPI",
            where=f"pod {os.environ.get('FAIRLEAD_POD', '')}",
            why="; ".join(missing),
            next="add OpenSSH's server and client, mpirun, and a user with a shell: docs/targets/training.md",
        )


def found(program: str) -> str | None:
    """Return where a program lies, with the folders of servers; None where it is not."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN]))


def _user_faults() -> Iterator[str]:
    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:
        yield f"its /etc/passwd has no line for the user {os.getuid()}"
        return
    shell = user.pw_shell or "/bin/sh"
    if os.path.basename(shell) in _NO_SHELLS or not os.access(shell, os.X_OK):
        yield f"the shell of its user {user.pw_name}, {shell}, runs no commands"


def write_client(folder: Path, keys: Path, port: int) -> None:
    """Write a program ``ssh`` into a folder, which reaches the other pods of the gang.

    Args:
        folder: A folder of this user's alone, which is to come first in ``PATH``: every MPI looks for ``ssh`` there.
        keys: The folder that has the gang's keys.
        port: Where their servers are.
    """
    _write(folder / "known_hosts", f"* {(keys / 'id_rsa.pub').read_text('utf-8').strip()}\n")
    options = {
        "Port": port,
        "IdentityFile": keys / "id_rsa",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": folder / "known_hosts",
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 10,
        "ServerAliveInterval": 15,
        "LogLevel": "ERROR",
    }
    _write(folder / "ssh_config", _lines(options))
    program = shlex.join([found("ssh") or "ssh", "-F", str(folder / "ssh_config")])
    _write(folder / "ssh", f'#!/bin/sh\nexec {program} "$@"\n', mode=0o700)


def write_server(folder: Path, keys: Path, port: int, **variables: str) -> list[str]:
    """Write what the server of a pod goes by, and return its command.

    A session does not have the environment of the pod by itself; see `session`.

    Args:
        folder: A folder of this user's alone.
        keys: The folder that has the gang's keys.
        port: Where it is to listen.
        **variables: What sessions have beside the environment of this process.
    """
    inherited = folder / "environment"
    entered = [sys.executable, session.__file__, str(inherited)]
    added = {"PATH": path_with(folder), **variables}
    session.keep(inherited, os.environb | {os.fsencode(name): os.fsencode(value) for name, value in added.items()})
    options = {
        "Port": port,
        "HostKey": keys / "id_rsa",
        "AuthorizedKeysFile": keys / "authorized_keys",
        "StrictModes": "no",  # the keys lie in a volume that root has made
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "DisableForwarding": "yes",
        "PidFile": "none",
        "PrintMotd": "no",
        "ClientAliveInterval": 15,
        "LogLevel": "ERROR",
        "ForceCommand": shlex.join(entered),
    }
    _write(folder / "sshd_config", _lines(options))
    return [found("sshd") or "sshd", "-D", "-e", "-f", str(folder / "sshd_config")]


def path_with(folder: Path) -> str:
    """Return the path of programs with a folder before all others."""
    return os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])


def _lines(options: dict[str, object]) -> str:
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.touch(mode)
    path.chmod(mode)
    path.write_text(text, "utf-8")
