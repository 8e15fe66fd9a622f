"""A command in a container, as if it ran here: what is typed or piped goes there, what it says comes here."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from fairlead.cli import terminals
from fairlead.errors import NotFoundError
from fairlead.kube import executing
from fairlead.kube.api import Api
from fairlead.kube.channels import ERROR, STDERR, STDIN, STDOUT, Channels
from fairlead.kube.failures import ApiError, Unreachable

_BLOCK = 32 << 10
_END = b"e"
"""The word that ends the thread which sends; any other one is of a signal."""
_NO_PROGRAM = ("executable file not found", "no such file or directory")


def run_inside(api: Api, pod: str, command: Sequence[str], *, namespace: str, container: str) -> int:
    """Run a command in a container; it has a terminal where this process has one.

    Args:
        api: The cluster.
        pod: The pod.
        command: The program and its arguments.
        namespace: Where the pod is.
        container: Its container.

    Returns:
        The command's exit code.

    Raises:
        NotFoundError: The container has no such program.
        ClusterError: The cluster refuses, or the connection broke.
    """
    terminal = terminals.is_interactive()
    reads = terminal or not terminals.is_terminal(0)  # else the keyboard is for whoever has the output: a pager
    try:
        opened = executing.execute(
            api, pod, command, namespace=namespace, container=container, terminal=terminal, stdin=reads
        )
        with opened:
            last = _joined(opened, terminal=terminal) if reads else pass_on(opened)
        return executing.exit_of(api, pod, last, namespace=namespace).code
    except ApiError as error:
        if any(each in error.message for each in _NO_PROGRAM):
            raise NotFoundError(
                f"the container {container!r} has no program {command[0]!r}",
                where=f"pod {pod}",
                next="name another; the image of a step has python3: -- python3",
            ) from error
        raise


def pass_on(opened: Channels) -> bytes:
    """Write what comes on the channels to this process's own outputs; returns what came on `ERROR`."""
    outputs, last = {STDOUT: sys.stdout.buffer, STDERR: sys.stderr.buffer}, b""
    for channel, data in opened.messages():
        if channel == ERROR:
            last += data
        elif channel in outputs:
            outputs[channel].write(data)
            outputs[channel].flush()
    return last


def _joined(opened: Channels, *, terminal: bool) -> bytes:
    """Join this process's input and outputs to the channels until they end."""
    with _sending(opened, terminal=terminal) as told, terminals.passed_on(told) if terminal else nullcontext():
        return pass_on(opened)


@contextmanager
def _sending(opened: Channels, *, terminal: bool) -> Iterator[int]:
    """Send what is read in a thread; gives the descriptor by which it is told that the terminal has another size."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    sender = threading.Thread(target=_send, args=(opened, read, terminal), name="fairlead-input", daemon=True)
    sender.start()
    try:
        yield write
    finally:
        os.write(write, _END)
        sender.join(5)
        os.close(write)
        os.close(read)


def _send(opened: Channels, woken: int, terminal: bool) -> None:
    """Send the input to its end; whoever reads the channels says why where it can't be sent."""
    with suppress(Unreachable, OSError):
        if terminal:
            opened.resize(*terminals.size())
        sources = [0, woken]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if woken in ready:
                if _END in os.read(woken, 64):
                    return
                opened.resize(*terminals.size())
            elif not _send_block(opened):
                sources.remove(0)


def _send_block(opened: Channels) -> bool:
    """Send what there is; False where that was the end of the input."""
    try:
        data = os.read(0, _BLOCK)
    except OSError:  # closed, or a terminal that has gone
        data = b""
    if data:
        opened.send(STDIN, data)
    elif not opened.end(STDIN):
        print("note: this cluster can't be told that the input has ended", file=sys.stderr)
    return bool(data)
