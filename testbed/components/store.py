"""MinIO, the S3 server: a process of its own, reached by host and pods at one address."""

from __future__ import annotations

import secrets

from .. import asking, network
from ..building import build
from ..processes import Process
from ..state import State, write

PORT = 9000
PORTS = {PORT: "minio"}
BUCKET = "fairlead"
ENDPOINT = f"http://{network.LOCAL}:{PORT}"


def environment(state: State) -> dict[str, str]:
    """Return what a client's environment must hold; the keys are made once per state folder."""
    file = state.store_environment
    if not file.exists():
        lines = {
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        write(file, "".join(f"{name}={value}\n" for name, value in lines.items()), mode=0o600)
    return dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())


def minio(state: State) -> Process:
    """Return MinIO with one bucket: a folder of its data folder is a bucket."""
    keys = environment(state)
    data = state.folder / "minio"
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    return Process(
        "minio",
        [build("minio") / "minio", "server", data, "--address", f"{network.LOCAL}:{PORT}", "--quiet"],
        lambda: asking.over_http(network.LOCAL, PORT, "/minio/health/ready"),
        {
            "MINIO_ROOT_USER": keys["AWS_ACCESS_KEY_ID"],
            "MINIO_ROOT_PASSWORD": keys["AWS_SECRET_ACCESS_KEY"],
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        },
    )
