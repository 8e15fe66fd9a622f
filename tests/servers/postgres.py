"""PostgreSQL as the distribution packages it, with a data folder of its own, reached by a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from .processes import Unavailable, stop, wait_until

USER = "fairlead"
ADVICE = "apt-get install postgresql"


class Postgres(NamedTuple):
    """A running server and the URL of its one database."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str


def programs() -> Path:
    """Return the folder of the newest ``initdb`` and ``postgres``."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    found = packaged[-1] if packaged else shutil.which("initdb")
    if found is None:
        raise Unavailable(f"there is no PostgreSQL: {ADVICE}")
    return Path(found).resolve().parent


def start() -> Postgres:
    """Start a server in a new temporary folder, as the user ``postgres`` when this is root."""
    binaries, account = programs(), _account()
    # Not pytest's folder: the socket's path has at most 107 bytes, and the other user must get to it.
    folder = Path(tempfile.mkdtemp(prefix="fairlead-pg-"))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    identity: Any = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    initialised = subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
        capture_output=True, text=True, check=False, cwd=folder, env=environment, **identity,
    )  # fmt: skip
    if initialised.returncode:
        shutil.rmtree(folder)
        raise Unavailable(f"initdb failed: {initialised.stderr[-2000:]}")
    settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(folder)]
    with open(folder / "log", "wb") as output:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", *settings],
            stdout=output, stderr=output, cwd=folder, env=environment, **identity,
        )  # fmt: skip
    wait_until(lambda: _is_ready(folder / "data/postmaster.pid"), process, folder / "log")
    return Postgres(process, folder, f"postgresql://{USER}@/postgres?host={folder}")


def end(server: Postgres) -> None:
    """Stop a server by its process id, without waiting for its clients, and remove its folder."""
    stop(server.process, signal.SIGINT)
    shutil.rmtree(server.folder)


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise Unavailable(f"PostgreSQL refuses root, and there is no user postgres: {ADVICE}") from None


def _is_ready(lock: Path) -> bool:
    """Read the server's own statement, the eighth line of its lock file."""
    lines = lock.read_text().splitlines() if lock.exists() else []
    return len(lines) >= 8 and lines[7].strip() == "ready"
