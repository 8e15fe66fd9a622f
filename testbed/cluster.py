"""The testbed as a whole: the order in which it starts, whether it is well, and how it ends.

A start is always from nothing but what was built, the images' archives and the store's content: whatever an earlier
testbed left, it is taken away first. That makes a crash, a reboot and a first start the same.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import building, certificates, images, kubectl, machine, network, worker
from .components import argo, control_plane, dns, jobset, kueue, node, store, trainer
from .faults import TestbedError
from .groups import Group
from .processes import Process, boot, records, start, stop, wait_until
from .state import State, current, ours, write

REQUIRED = ("etcd", "kubernetes", "coredns", "minio")
OPTIONAL = ("argo", "jobset", "trainer", "kueue")
NEEDED = {"trainer": "jobset"}  # what one of these can't do without
PORTS = control_plane.PORTS | node.PORTS | store.PORTS | argo.PORTS | jobset.PORTS | trainer.PORTS | kueue.PORTS
KEPT = ("lock", "logs", "minio", "owner.json", "store.env")  # of the state folder, from one start to the next


class Running(NamedTuple):
    """What a completed start recorded.

    Attributes:
        address: The node's address.
        image: The stock image's name.
    """

    address: str
    boot: str
    image: str


def up() -> str:
    """Start the testbed, or find that it runs; returns one line that says which.

    Raises:
        TestbedError: It can't be started, or one of another checkout and other versions is running.
    """
    state = current()
    machine.provide_packages()
    with _locked(state):
        if is_healthy(state):
            owner = state.owner()
            if owner is not None and owner.versions == ours().versions:
                return f"the testbed is up already, started from {owner.checkout}"
            if owner is not None and owner.checkout != ours().checkout:
                raise TestbedError(
                    f"a testbed of other versions, started from {owner.checkout}, is running: stop it there with"
                    " make cluster-down, or give this checkout's the same versions (testbed/versions.toml)"
                )
        missing = provide()
        take_down(state)
        machine.refuse_used(PORTS, machine.address())
        state.own()
        try:
            _start(state, missing)
        except BaseException:  # the logs stay, to see what went wrong
            take_down(state)
            raise
    return f"the testbed is up: export KUBECONFIG={state.kubeconfig}"


def down(delete: bool = False) -> str:
    """Stop what the testbed started and take its changes of the machine back; returns one line.

    Args:
        delete: Remove the state folder too, with the store's content.
    """
    state = current()
    with _locked(state):
        was_up = state.owner() is not None
        take_down(state)
        if delete:
            shutil.rmtree(state.folder)
    return "the testbed is down" if was_up else "no testbed was up"


@contextlib.contextmanager
def _locked(state: State) -> Iterator[None]:
    with building.locked(state.folder / "lock"):
        yield


def provide() -> dict[str, str]:
    """Build everything; returns why an optional component can't be had, by its name."""
    for name in REQUIRED:
        building.build(name)
    missing: dict[str, str] = {}
    for name in OPTIONAL:
        with _without(missing, name):
            building.build(name)
    images.pause()
    images.python()
    if "argo" not in missing:
        with _without(missing, "argo"):
            images.argoexec()
    return missing


@contextlib.contextmanager
def _without(missing: dict[str, str], name: str) -> Iterator[None]:
    """Go on where an optional component can't be had, and note the reason."""
    try:
        yield
    except TestbedError as failed:
        missing[name] = str(failed)


def _start(state: State, missing: dict[str, str]) -> None:
    address, group = machine.address(), Group(state.mark)
    wanted = [*control_plane.certificates(address), *node.certificates(address)]
    webhooks = [*jobset.certificates(), *trainer.certificates(), *kueue.certificates()]
    certificates.make(state, [*wanted, *webhooks])
    certificates.kubeconfig(state, state.kubeconfig, "admin", control_plane.server(address))
    group.make()
    network.lay(state)

    def run(process: Process) -> None:
        inside = node.entering(state) if process.in_node else []
        start(process._replace(command=[*inside, *process.command]), state, group)

    run(node.containerd(state))
    with _meanwhile(lambda: _import_images(state, missing)):
        run(store.minio(state))
        run(control_plane.etcd(state))
        run(control_plane.api_server(state, address))
        run(control_plane.controller_manager(state, address))
        run(control_plane.scheduler(state, address))
        run(dns.coredns(state))
        run(node.kubelet(state, address, group))
        run(node.kube_proxy(state, address))  # after the node's object is there: it waits half a minute otherwise
        kubectl.apply(state, "fairlead.yaml", **store.environment(state))
        for name, begin in _BEGINNINGS.items():
            if name not in missing:
                with _without(missing, name):
                    if NEEDED.get(name) in missing:
                        raise TestbedError(f"it needs {NEEDED[name]}, which is absent")
                    begin(state, run)
    for name, reason in missing.items():
        write(state.absent / name, reason)
    write(state.folder / "running.json", json.dumps(Running(address, boot(), images.python_tag())._asdict()))


def _start_argo(state: State, run: Callable[[Process], None]) -> None:
    kubectl.apply_definitions(state, "argo")
    kubectl.apply(state, "argo.yaml")
    run(argo.workflow_controller(state))


def _start_jobset(state: State, run: Callable[[Process], None]) -> None:
    kubectl.apply_definitions(state, "jobset")
    run(jobset.controller(state))
    kubectl.apply(state, "jobset-webhooks.yaml", CA=certificates.encoded(state, "ca.crt"))


def _start_trainer(state: State, run: Callable[[Process], None]) -> None:
    kubectl.apply_definitions(state, "trainer")
    run(trainer.controller_manager(state))
    kubectl.apply(state, "trainer-webhooks.yaml", CA=certificates.encoded(state, "ca.crt"))


def _start_kueue(state: State, run: Callable[[Process], None]) -> None:
    kubectl.apply_definitions(state, "kueue")
    kubectl.run(state, "create", "namespace", kueue.NAMESPACE)
    run(kueue.kueue(state))
    kubectl.apply(state, "kueue-webhooks.yaml", CA=certificates.encoded(state, "ca.crt"), PORT=str(kueue.WEBHOOK_PORT))
    kubectl.apply(state, "kueue.yaml")


_BEGINNINGS = {"argo": _start_argo, "jobset": _start_jobset, "trainer": _start_trainer, "kueue": _start_kueue}


@contextlib.contextmanager
def _meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread beside the block, and end with its error if it has one."""
    failed: list[TestbedError] = []

    def guarded() -> None:
        try:
            work()
        except TestbedError as error:
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]


def _import_images(state: State, missing: dict[str, str]) -> None:
    wanted = [node.PAUSE, images.python_tag(), *([] if "argo" in missing else [images.argoexec_tag()])]
    for tag in wanted:
        images.import_into(state, tag)


def running(state: State) -> Running | None:
    """Return what the last completed start recorded, or None where none was completed since."""
    try:
        return Running(**json.loads((state.folder / "running.json").read_text("utf-8")))
    except FileNotFoundError:
        return None


def is_healthy(state: State) -> bool:
    """Say whether a start was completed, all that it started is alive, and the node is Ready."""
    recorded = running(state)
    return (
        recorded is not None
        and all(each.is_alive for each in records(state).values())
        and control_plane.node_is_ready(state, recorded.address, node.NAME)
    )


def absent(state: State) -> dict[str, str]:
    """Return why an optional component is missing, by its name."""
    return {path.name: path.read_text("utf-8") for path in sorted(state.absent.glob("*"))}


def take_down(state: State) -> None:
    """Stop every process that was started, and take away what it left, whatever state it is in.

    Raises:
        TestbedError: A process did not end.
    """
    if state.owner() is None:
        return
    (state.folder / "running.json").unlink(missing_ok=True)
    group = Group(state.mark)
    stop(records(state).values())
    if not wait_until(lambda: not group.kill(), timeout_s=20) or not wait_until(group.remove, timeout_s=10):
        raise TestbedError(f"these processes of the testbed do not end: {group.members()}; see them with: ps -fp PID")
    network.clear(state)
    node.leave_no_folders()
    for path in state.folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    state.disown()


def report(state: State) -> tuple[bool, list[str]]:
    """Return whether the testbed is well, and the lines that say so."""
    owner = state.owner()
    if owner is None:
        return False, ["no testbed is up: make cluster"]
    lines = [f"state   {state.folder}", f"owner   {owner.checkout}"]
    if owner.versions != ours().versions:
        lines[-1] += " (of other versions than this checkout's)"
    for name, record in records(state).items():
        lines.append(f"{'alive' if record.is_alive else 'dead':<7} {name} (process {record.pid})")
    for name, reason in absent(state).items():
        lines.append(f"absent  {name}: {reason}")
    healthy = is_healthy(state)
    lines.append("healthy" if healthy else "not healthy: make cluster cleans up and starts it again")
    return healthy, lines


def context_line(state: State) -> str:
    """Return the command that tells Fairlead about the testbed.

    Raises:
        TestbedError: None is up.
    """
    if running(state) is None:
        raise TestbedError("no testbed is up: make cluster")
    options = {
        "kubeconfig": state.kubeconfig,
        "kube-context": "testbed",
        "namespace": "fairlead",
        "store": f"s3://{store.BUCKET}/store",
        "store-secret": "fairlead-store",
        "store-env": state.store_environment,
        "service-account": "fairlead-worker",
        "driver-service-account": "fairlead-driver",
        "image": worker.examples_tag(),
        "worker-image": worker.worker_tag(),
        "delivery": "volume",
        "user": images.USER,
        "queue": "fairlead",
    }
    return "fairlead context add testbed " + " ".join(f"--{name} {value}" for name, value in options.items())


def logs(state: State, component: str | None) -> Iterator[tuple[str, Path]]:
    """Yield the logs of one process, or of all.

    Raises:
        TestbedError: There is no log of this name.
    """
    found = {path.stem: path for path in sorted(state.logs.glob("*.log"))}
    if component is not None and component not in found:
        raise TestbedError(f"there is no log of {component!r}: {', '.join(found) or 'no testbed was up'}")
    for name, path in found.items():
        if component in (None, name):
            yield name, path


def build(names: list[str]) -> None:
    """Build the named components, or without a name all that a testbed needs, its images included."""
    for name in names:
        building.build(name)
    if not names:
        machine.provide_packages()
        for name, reason in provide().items():
            print(f"absent: {name}: {reason}")
