"""The recorder: run it, or compile what a cluster needs for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec

from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.health import serving_health
from fairlead.engines.kubernetes.known import KnownRuns
from fairlead.engines.kubernetes.recorder import Recorder
from fairlead.errors import UsageError
from fairlead.kube.access import smallest_role
from fairlead.kube.client import EVERYWHERE, Client
from fairlead.kube.connecting import connect
from fairlead.kube.failures import Rule
from fairlead.runs import contexts
from fairlead.runs.rendering import namespace_of
from fairlead.runs.settings import open_store
from fairlead.runs.waits import WaitKeeper
from fairlead.specs.contexts import LOCAL
from fairlead.store.backends import Folder
from fairlead.targets import recorder
from fairlead.targets.orders import Manifest


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorder is to do.

    Attributes:
        on: The context whose cluster and store are meant; `LOCAL` in a pod, where its own account and `store` are.
        store: The store's URL, where it is not the context's.
        namespace: The namespace to watch, where it is not the context's.
        everywhere: Whether all namespaces are watched.
        ends: Whether steps that can't be scheduled are ended, as their runs ask.
        nodes: Whether it says why steps wait, to those who may not read nodes and queues.
        port: Where it says whether it is well; None for nowhere.
    """

    on: str = LOCAL
    store: str | None = None
    namespace: str = ""
    everywhere: bool = False
    ends: bool = False
    nodes: bool = False
    port: int | None = None


def record(recording: Recording, noted: Callable[[str], object]) -> None:
    """Watch until this process is asked to end.

    Raises:
        UsageError: It is not said which store and cluster are meant.
        StoreError, ClusterError: One of them can't be used.
    """
    store = open_store(recording.store)
    if isinstance(store.backend, Folder):
        raise UsageError(
            "a recorder needs the store of a cluster's runs",
            why=f"{store.url} is a folder of this machine",
            next="fairlead recorder run --on CONTEXT   or   --store s3://…",
        )
    if recording.on == LOCAL:
        connection, namespace = connect(), recording.namespace
    else:
        context = contexts.find(recording.on)
        connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
        namespace = recording.namespace or context.namespace
    where = EVERYWHERE if recording.everywhere else namespace or connection.namespace
    client = Client(connection)
    waits = WaitKeeper(client, KnownRuns(store.backend), noted=noted).keep if recording.nodes else None
    found = Recorder(client, store.backend, where, ends=recording.ends, waits=waits, noted=noted)
    stop = _asked_to_end()
    if recording.port is None:
        found.run(stop)
        return
    with serving_health(lambda: found.is_well, recording.port):
        found.run(stop)


def render(on: str, *, everywhere: bool, ends: bool, nodes: bool, replicas: int) -> list[Manifest]:
    """Compile the recorder of a context.

    Args:
        on: The context.
        everywhere: Whether it is to watch all namespaces.
        ends: Whether it is to end steps that can't be scheduled, as their runs ask.
        nodes: Whether it may read nodes and queues, to say why steps wait, and that one fits on no node.
        replicas: How many there are.

    Raises:
        UsageError: There is no such context, or it names no image of Fairlead.
    """
    context = contexts.find(on)
    if not context.worker_image:
        raise UsageError(
            f"the context {on!r} names no image of Fairlead's worker",
            why="the recorder is in it",
            next=f"fairlead context add {on} … --worker-image IMAGE",
        )
    namespace = namespace_of(context)
    plan = recorder.Plan(
        namespace=namespace,
        rules=_rules((*rights.RECORDING, *(rights.ENDING if ends else ()))),
        cluster_rules=_rules(rights.SEEING_WAITS) if nodes else (),
        everywhere=everywhere,
        ends=ends,
        nodes=nodes,
        replicas=replicas,
    )
    return recorder.recorder(context, plan)


def _rules(needed: tuple[Rule, ...]) -> list[dict[str, Any]]:
    return smallest_role("", "", needed)["rules"]  # type: ignore[no-any-return]  # a manifest


def _asked_to_end() -> threading.Event:
    """Return an event that is set when this process is asked to end."""
    asked = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, end)
    return asked
