"""A real Kueue beside an API server of its own, without nodes: what is admitted there stays so, and never runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from kube.cluster import write_kubeconfig
from servers import apiserver
from servers.cluster import Cluster
from servers.fixtures import start_or_skip
from servers.processes import free_port
from testbed import certificates, kubectl, processes
from testbed.components import kueue
from testbed.state import State


@contextmanager
def kueue_alone(folder: Path, settings: Mapping[str, Any] = MappingProxyType({})) -> Iterator[Cluster]:
    """Start both, and end them; their files are in a folder, and Kueue has these settings."""
    if os.geteuid():
        pytest.skip("only root can give Kueue the folder in which it looks for certificates")
    server = start_or_skip(apiserver.start)
    try:
        state = State(folder)
        write_kubeconfig(server, state.kubeconfig)
        certificates.make(state, kueue.certificates())
        kubectl.apply_definitions(state, "kueue")
        for name in ("fairlead", kueue.NAMESPACE):
            kubectl.run(state, "create", "namespace", name)
        webhook_port, health_port = free_port(), free_port()
        process, log = kueue.kueue(state, webhook_port, health_port, settings), state.folder / "kueue.log"
        mounting = 'mkdir -p "$0" && mount --bind "$1" "$0" && shift && exec "$@"'
        mounted = ["unshare", "--mount", "sh", "-c", mounting, "/etc/kueue/metrics/certs", state.folder / "kueue"]
        with processes.beside([*mounted, *process.command], log, state.folder) as started:
            processes.wait_ready("kueue", started, log, health_port, "/readyz", 60)
            authority = certificates.encoded(state, "ca.crt")
            kubectl.apply(state, "kueue-webhooks.yaml", CA=authority, PORT=str(webhook_port))
            kubectl.apply(state, "kueue.yaml")
            yield Cluster(state.kubeconfig, "unused", {}, {})
    finally:
        apiserver.end(server)
