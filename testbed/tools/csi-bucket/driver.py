"""A CSI driver of the node for buckets, which s3fs mounts: ``driver.py NAME NODE KUBELET_FOLDER``, until it is ended.

It is for a testbed: it makes no volumes, and tells the kubelet of itself. A volume's attribute `bucket` is that of
s3fs, ``BUCKET`` or ``BUCKET:/FOLDER``; its Secret has `endpoint`, `accessKeyID` and `secretAccessKey`. The few messages
are read and written here, field by field.

Sources: https://github.com/container-storage-interface/spec/blob/v1.12.0/csi.proto,
https://github.com/kubernetes/kubelet/blob/v0.34.4/pkg/apis/pluginregistration/v1/api.proto
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

Fields = dict[int, list[Any]]
Answer = Callable[[Fields], bytes]


def main(name: str, node: str, kubelet: str) -> None:
    """Answer the kubelet."""
    endpoint = Path(kubelet, "plugins", name, "csi.sock")
    registration = Path(kubelet, "plugins_registry", f"{name}-reg.sock")
    endpoint.parent.mkdir(parents=True, exist_ok=True)
    about = _text(1, "CSIPlugin") + _text(2, name) + _text(3, str(endpoint)) + _text(4, "1.0.0")
    identity: dict[str, Answer] = {
        "GetPluginInfo": lambda _: _text(1, name) + _text(2, "1"),
        "GetPluginCapabilities": lambda _: b"",
        "Probe": lambda _: b"",
    }
    volumes: dict[str, Answer] = {
        "NodeGetInfo": lambda _: _text(1, node),
        "NodeGetCapabilities": lambda _: b"",
        "NodePublishVolume": _publish,
        "NodeUnpublishVolume": _unpublish,
    }
    told: dict[str, Answer] = {"GetInfo": lambda _: about, "NotifyRegistrationStatus": lambda _: b""}
    server = _serving(endpoint, {"csi.v1.Identity": identity, "csi.v1.Node": volumes})
    registrar = _serving(registration, {"pluginregistration.Registration": told})
    server.wait_for_termination()
    registrar.stop(None)


def _publish(request: Fields) -> bytes:
    """Mount the bucket of a volume where the kubelet wants it."""
    target, secret, attributes = Path(request[4][0].decode()), _mapping(request.get(7)), _mapping(request.get(8))
    target.mkdir(parents=True, exist_ok=True)
    if target.is_mount():
        return b""
    options = ["use_path_request_style", f"url={secret['endpoint']}", "allow_other", "umask=0000"]
    if request.get(6, [0])[0]:
        options.append("ro")
    with tempfile.NamedTemporaryFile("w") as keys:  # which nobody else can read
        keys.write(f"{secret['accessKeyID']}:{secret['secretAccessKey']}")
        keys.flush()
        options.append(f"passwd_file={keys.name}")
        command = ["s3fs", attributes["bucket"], str(target), "-o", ",".join(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"s3fs gave {done.returncode}: {done.stderr}")
    return b""


def _unpublish(request: Fields) -> bytes:
    target = Path(request[2][0].decode())
    if target.is_mount():
        subprocess.run(["umount", target], check=True)
    with suppress(FileNotFoundError):
        target.rmdir()
    return b""


# Messages ------------------------------------------------------------------------------------


def _serving(socket: Path, services: dict[str, dict[str, Answer]]) -> grpc.Server:
    """Start a server of some services at a socket."""
    socket.unlink(missing_ok=True)
    server = grpc.server(ThreadPoolExecutor(4))
    for service, answers in services.items():
        methods = {name: grpc.unary_unary_rpc_method_handler(_answering(each)) for name, each in answers.items()}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    return server


def _answering(answer: Answer) -> Callable[[bytes, Any], bytes]:
    return lambda request, _: answer(_fields(request))


def _text(field: int, value: str) -> bytes:
    """Return a field with a text of less than 128 bytes."""
    return bytes([field << 3 | 2, len(value.encode())]) + value.encode()


def _fields(message: bytes) -> Fields:
    """Return the values of a message's fields by their numbers: whole numbers, and bytes."""
    found: Fields = {}
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        value: Any
        value, at = _number(message, at)
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Return a whole number, and where the next field begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _mapping(entries: list[bytes] | None) -> dict[str, str]:
    pairs = map(_fields, entries or ())
    return {pair[1][0].decode(): pair.get(2, [b""])[0].decode() for pair in pairs}


if __name__ == "__main__":
    main(*sys.argv[1:])
