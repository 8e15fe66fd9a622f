"""Inside a pod: run a command, attach to what runs, reach a port.

Source: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#-strong-misc-operations-pod-v1-core-strong-
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from fairlead.decoding import decoder
from fairlead.kube.api import Api
from fairlead.kube.channels import ERROR, STDERR, STDIN, STDOUT, V4, Channels
from fairlead.kube.failures import Unreachable, call_of, refusal
from fairlead.kube.resources import POD


class Exit(NamedTuple):
    """How a command in a container ended.

    Attributes:
        code: Its exit code; 0 for success.
        message: What the cluster says of a failure.
    """

    code: int
    message: str = ""


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Outcome(msgspec.Struct):
    status: str = ""
    reason: str = ""
    message: str = ""
    details: _Details | None = None


def read_exit(data: bytes) -> Exit | None:
    """Read the last word of the error channel; None where it is not about an exit code."""
    try:
        outcome = decoder(_Outcome).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if outcome.status == "Success":
        return Exit(0)
    causes = (outcome.details.causes if outcome.details else None) or []
    code = next((each.message for each in causes if each.reason == "ExitCode"), "")
    return Exit(int(code), outcome.message) if outcome.reason == "NonZeroExitCode" and code.isdigit() else None


def execute(
    api: Api,
    pod: str,
    command: Sequence[str],
    *,
    namespace: str | None = None,
    container: str = "",
    terminal: bool = False,
    stdin: bool = False,
) -> Channels:
    """Run a command in a container; its input is channel `STDIN`, what it says comes on the others.

    Args:
        api: The cluster.
        pod: The pod.
        command: The program and its arguments.
        namespace: None for the connection's.
        container: Empty where the pod has one only.
        terminal: Give it a terminal; then everything comes on `STDOUT`.
        stdin: It reads.
    """
    query = [*_streams(container, terminal, stdin), *(("command", each) for each in command)]
    return Channels(api, _path(api, pod, namespace, "exec"), query)


def attach(
    api: Api,
    pod: str,
    *,
    namespace: str | None = None,
    container: str = "",
    terminal: bool = False,
    stdin: bool = False,
) -> Channels:
    """Connect to what a container runs already; arguments are those of `execute`."""
    return Channels(api, _path(api, pod, namespace, "attach"), _streams(container, terminal, stdin))


def forward(api: Api, pod: str, port: int, *, namespace: str | None = None) -> Channels:
    """Connect to one port of a pod: channel 0 has its bytes and channel 1 its faults.

    The first message of each channel is the number of the port, two bytes, the smaller first.
    """
    return Channels(api, _path(api, pod, namespace, "portforward"), [("ports", str(port))], protocols=(V4,))


def run(
    api: Api,
    pod: str,
    command: Sequence[str],
    *,
    namespace: str | None = None,
    container: str = "",
    data: bytes = b"",
    limit: int = 1 << 20,
) -> tuple[Exit, bytes, bytes]:
    """Run a command in a container to its end.

    Args:
        api: The cluster.
        pod: The pod.
        command: The program and its arguments.
        namespace: None for the connection's.
        container: Empty where the pod has one only.
        data: What it reads; a server with version 4 of the protocol can't be told that this is all.
        limit: How many bytes of each of its outputs are kept; the rest is dropped.

    Returns:
        How it ended, what it wrote to standard output, and to standard error.

    Raises:
        Unreachable: The connection broke before it had ended.
        ApiError: It could not be started, or nothing is known of its end.
    """
    outputs: Mapping[int, bytearray] = {STDOUT: bytearray(), STDERR: bytearray(), ERROR: bytearray()}
    with execute(api, pod, command, namespace=namespace, container=container, stdin=bool(data)) as channels:
        if data:
            channels.send(STDIN, data)
            channels.end(STDIN)
        for channel, part in channels.messages():
            if channel in outputs:
                kept = outputs[channel]
                kept += part if channel == ERROR else part[: max(0, limit - len(kept))]
    ended = exit_of(api, pod, bytes(outputs[ERROR]), namespace=namespace)
    return ended, bytes(outputs[STDOUT]), bytes(outputs[STDERR])


def exit_of(api: Api, pod: str, last: bytes, *, namespace: str | None = None) -> Exit:
    """Return how a command ended, by all that came on the channel `ERROR`.

    Raises:
        Unreachable: Nothing did: the connection broke before it had ended.
        ApiError: It could not be started, or nothing is known of its end.
    """
    ended = read_exit(last)
    if ended is None:
        path = _path(api, pod, namespace, "exec")
        if not last:
            raise Unreachable(api.connection.where, "the command's end was not told", was_sent=True)
        raise refusal(call_of("GET", path), api.connection.where, 500, last)
    return ended


def _path(api: Api, pod: str, namespace: str | None, subresource: str) -> str:
    return POD.path(api.connection.namespace if namespace is None else namespace, pod, subresource)


def _streams(container: str, terminal: bool, stdin: bool) -> list[tuple[str, str]]:
    wanted = {"stdin": stdin, "stdout": True, "stderr": not terminal, "tty": terminal}
    named = [("container", container)] if container else []
    return [*named, *((name, "true") for name, yes in wanted.items() if yes)]
