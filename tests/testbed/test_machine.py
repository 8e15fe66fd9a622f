"""What is asked of the machine, and of servers."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from testbed import asking, certificates, commands, machine
from testbed.certificates import Certificate
from testbed.faults import TestbedError
from testbed.state import State


def test_a_port_that_somebody_listens_on_is_refused_by_name() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(TestbedError, match=rf"port {port} .* kubelet"):
            machine.refuse_used({port: "kubelet"}, "127.0.0.1")
    machine.refuse_used({port: "kubelet"}, "127.0.0.1")


def test_packages_are_installed_by_root_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TestbedError, match="sudo make cluster"):
        machine.provide_packages()


def test_a_server_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert not asking.over_http("127.0.0.1", port, "/")
    assert not asking.over_socket(tmp_path / "none")


def test_certificates_are_signed_by_the_authority_and_keys_are_secret(tmp_path: Path) -> None:
    state = State(tmp_path)
    certificates.make(state, [Certificate("server", "/CN=server", ["IP:127.0.0.1"]), Certificate("me", "/CN=me")])
    folder = state.certificates

    commands.run("openssl", "verify", "-CAfile", folder / "ca.crt", folder / "server.crt", folder / "me.crt")
    assert "IP Address:127.0.0.1" in commands.run("openssl", "x509", "-noout", "-text", "-in", folder / "server.crt")
    assert folder.stat().st_mode & 0o077 == 0


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(TestbedError, match=r"gave 3:\nalas$"):
        commands.run("sh", "-c", "echo alas >&2; exit 3")
    with pytest.raises(TestbedError, match="there is no"):
        commands.run("no-such-program")
