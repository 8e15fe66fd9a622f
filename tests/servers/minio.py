"""MinIO, the S3 server of the tests: a Go tool, built once per version and machine, and run as a process.

The testbed pins and builds it. MinIO is licensed under the AGPL: it is a tool of the tests only, neither linked
nor shipped.
"""

from __future__ import annotations

import http.client
import os
import secrets
import subprocess
from pathlib import Path
from typing import NamedTuple

from testbed import building
from testbed.faults import BuildFailed

from .processes import ServerDied, Unavailable, free_port, stop, wait_until

BUCKET = "fairlead-tests"


def binary() -> Path:
    """Return the server's program, after building it where this version has not been built yet (4 minutes)."""
    try:
        return building.build("minio") / "minio"
    except BuildFailed as failed:
        raise Unavailable(f"MinIO could not be built: {failed}") from failed


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
