"""Tell the kubelet of a CSI driver: ``registrar.py SOCKET DRIVER ENDPOINT``, until it is ended.

The kubelet finds SOCKET in its folder ``plugins_registry``, and asks there who DRIVER is and that it answers at
ENDPOINT. The two messages are short enough to be written here, field by field.

Source: https://github.com/kubernetes/kubelet/blob/v0.34.4/pkg/apis/pluginregistration/v1/api.proto
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc


def _text(field: int, value: str) -> bytes:
    """Return a field with a text as Protocol Buffers has it; the text has less than 128 bytes."""
    return bytes([field << 3 | 2, len(value.encode())]) + value.encode()


def main(socket: str, driver: str, endpoint: str) -> None:
    """Answer the kubelet's questions."""
    about = _text(1, "CSIPlugin") + _text(2, driver) + _text(3, endpoint) + _text(4, "1.0.0")

    def notified(status: bytes, _: Any) -> bytes:
        print(f"the kubelet says {status!r}", flush=True)
        return b""

    answers = {"GetInfo": lambda request, context: about, "NotifyRegistrationStatus": notified}
    methods = {name: grpc.unary_unary_rpc_method_handler(answer) for name, answer in answers.items()}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("pluginregistration.Registration", methods)])
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
