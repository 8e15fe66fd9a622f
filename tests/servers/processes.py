"""Starting a server, waiting until it answers, and stopping it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Unavailable(Exception):
    """A server cannot be had on this machine; the message says what to install."""


class ServerDied(Exception):
    """A server ended, or did not answer in time; the message ends with its log."""


def free_port() -> int:
    """Return a loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, timeout_s: float = 60) -> None:
    """Ask until a server answers; give up at once when its process has ended."""
    deadline = time.monotonic() + timeout_s
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise ServerDied(f"{process.args!r} gave {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)  # between two questions: nothing announces that a server is ready


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End one process, politely and then not."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
