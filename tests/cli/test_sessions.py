"""A command in a container from a terminal, and from a pipe: against a container on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.kube.channels import CLOSE, RESIZE, STDERR, STDIN, STDOUT, V4, V5
from kube.container import Session, container, upper_case
from projects import SOURCE
from terminals import terminal

PROGRAM = """
import sys
from fairlead.cli.sessions import run_inside
from fairlead.cli.terminals import ending_in_order
from fairlead.errors import FairleadError
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed, Identity, bearer

client = Client(Connection(f"http://127.0.0.1:{sys.argv[1]}", Fixed(Identity(bearer("t"))), namespace="ml"))
try:
    with ending_in_order():
        sys.exit(run_inside(client, "a", sys.argv[2:], namespace="ml", container="main"))
except FairleadError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}


def words(port: int, *command: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(port), *command]


def piped(port: int, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words(port, "tr"), input=data, capture_output=True, env=ENVIRONMENT, check=False, timeout=60)


def test_what_is_piped_in_comes_out_with_the_exit_code() -> None:
    data = b"hello\n" * 50_000
    with container(upper_case) as (port, sessions):
        done = piped(port, data)
    assert (done.returncode, done.stdout, done.stderr) == (3, data.upper() + b"!", b"done")
    assert ("tty", "true") not in sessions[0].query


def test_a_server_that_can_not_be_told_of_the_input_s_end_is_named() -> None:
    with container(upper_case, [V4]) as (port, _):
        done = piped(port, b"hello")
    assert (done.returncode, done.stdout) == (3, b"HELLO!")
    assert b"note: this cluster can't be told that the input has ended" in done.stderr


def test_a_command_that_does_not_read_ends_though_its_input_does_not() -> None:
    def deaf(session: Session) -> None:
        session.accept()
        session.exit(5)

    with container(deaf) as (port, _):
        process = subprocess.Popen(words(port, "true"), stdin=subprocess.PIPE, env=ENVIRONMENT)
        try:
            assert process.wait(60) == 5
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("said", "code", "shown"),
    [
        ('exec: "zsh": executable file not found in $PATH', 4, "the container 'main' has no program 'zsh'"),
        ("container not running", 3, "container not running"),
    ],
)
def test_a_command_that_can_not_be_started_says_why(said: str, code: int, shown: str) -> None:
    def failing(session: Session) -> None:
        session.accept()
        status = {"kind": "Status", "status": "Failure", "reason": "InternalError", "message": said, "code": 500}
        session.end(status)

    with container(failing) as (port, _):
        done = subprocess.run(
            words(port, "zsh"), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
    assert done.returncode == code
    assert shown in done.stderr


def shell(session: Session) -> None:
    """Say what the terminal's size is, and what is typed; end at a Ctrl-D."""
    session.accept()
    assert session.protocol == V5
    for channel, data in session.messages():
        if channel == RESIZE:
            size = json.loads(data)
            session.say(STDOUT, f"[{size['Width']}x{size['Height']}]".encode())
        elif channel == STDIN and data == b"\x04":
            session.exit(7)
            return
        elif channel == STDIN:
            session.say(STDOUT, b"<" + data.replace(b"\x03", b"^C") + b">")


def test_a_terminal_has_its_size_every_key_and_is_as_before_at_the_end(tmp_path: Path) -> None:
    with container(shell) as (port, sessions), terminal(words(port, "sh"), ENVIRONMENT, tmp_path) as opened:
        opened.expect("[80x24]")
        assert opened.current_settings() != opened.settings
        opened.type("x")
        opened.expect("<x>")
        opened.resize(100, 30)
        opened.expect("[100x30]")
        opened.type("\x03")
        opened.expect("<^C>")
        opened.type("\x04")
        assert opened.ended() == 7
        assert opened.current_settings() == opened.settings
    assert ("tty", "true") in sessions[0].query and ("stderr", "true") not in sessions[0].query


def test_keys_are_not_taken_from_a_pager(tmp_path: Path) -> None:
    with container(upper_case) as (port, sessions):
        pager = ["sh", "-c", '"$@" | (read line < /dev/tty && echo got $line)', "sh", *words(port, "tr")]
        with terminal(pager, ENVIRONMENT, tmp_path) as opened:
            opened.type("key\n")
            opened.expect("got key")
            assert opened.ended() == 0
    assert ("stdin", "true") not in sessions[0].query


def test_a_terminal_is_as_before_where_the_connection_breaks(tmp_path: Path) -> None:
    def vanishing(session: Session) -> None:
        session.accept()
        session.say(STDOUT, b"ready")
        next(session.messages())

    with container(vanishing) as (port, _), terminal(words(port, "sh"), ENVIRONMENT, tmp_path) as opened:
        opened.expect("ready")
        assert opened.ended() == 3
        assert opened.current_settings() == opened.settings
        assert b"the cluster does not answer" in opened.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_is_as_before_where_this_process_is_asked_to_end(tmp_path: Path, number: signal.Signals) -> None:
    with container(shell) as (port, _), terminal(words(port, "sh"), ENVIRONMENT, tmp_path) as opened:
        opened.expect("[80x24]")
        os.kill(opened.process.pid, number)
        assert opened.ended() == 128 + number
        assert opened.current_settings() == opened.settings


def test_both_outputs_are_told_apart() -> None:
    def both(session: Session) -> None:
        session.accept()
        session.say(STDOUT, b"out")
        session.say(STDERR, b"err")
        assert (CLOSE, bytes([STDIN])) in list(_until_closed(session))
        session.exit(0)

    with container(both) as (port, _):
        done = piped(port, b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out", b"err")


def _until_closed(session: Session) -> list[tuple[int, bytes]]:
    found = []
    for message in session.messages():
        found.append(message)
        if message[0] == CLOSE:
            break
    return found
