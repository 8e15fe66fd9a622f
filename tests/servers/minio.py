"""MinIO, the S3 server of the tests: a Go tool, built once per version and machine, and run as a process.

The module ``minio/go.mod`` pins it. MinIO is licensed under the AGPL: it is a tool of the tests only,
neither linked nor shipped.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from .processes import ServerDied, Unavailable, free_port, stop, wait_until

TOOL = Path(__file__).with_name("minio")
PACKAGE = "github.com/minio/minio"
BUCKET = "fairlead-tests"


def binary() -> Path:
    """Return the server's program, after building it where this version has not been built yet (4 minutes)."""
    found = re.search(rf"{PACKAGE} (v\S+)", (TOOL / "go.mod").read_text())
    assert found, "minio/go.mod requires no MinIO"
    program = Path.home() / ".cache/fairlead/tools" / found[1] / "minio"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with open(program.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers of this run wait for the one build
            if not program.exists():
                _build(program)
    return program


def _build(program: Path) -> None:
    if shutil.which("go") is None:
        raise Unavailable("MinIO is built with Go: install go 1.24 or newer")
    unfinished = program.with_suffix(".part")
    command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", str(unfinished), PACKAGE]
    built = subprocess.run(
        command, cwd=TOOL, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise Unavailable(f"MinIO could not be built: {built.stderr[-2000:]}")
    unfinished.rename(program)


class Minio(NamedTuple):
    """A running server with one empty bucket, and what a client's environment must hold."""

    process: subprocess.Popen[bytes]
    url: str
    environment: dict[str, str]


def start(folder: Path) -> Minio:
    """Start a server on a free loopback port.

    Args:
        folder: An empty folder for its data and log.
    """
    program, attempts = binary(), 3
    for attempt in range(attempts):
        try:
            return _start(program, folder, free_port())
        except ServerDied:  # somebody else may have taken the port meanwhile
            if attempt == attempts - 1:
                raise
    raise AssertionError("unreachable")


def _start(program: Path, folder: Path, port: int) -> Minio:
    (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)  # a folder of the data folder is a bucket
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MINIO_ROOT_USER": key,
        "MINIO_ROOT_PASSWORD": secret,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    log = folder / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(program), "server", str(folder / "data"), "--address", f"127.0.0.1:{port}", "--quiet"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    wait_until(lambda: _is_ready(port), process, log)
    client = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    return Minio(process, f"s3://{BUCKET}", client)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/minio/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def end(server: Minio) -> None:
    """Stop a server by its process id."""
    stop(server.process)
