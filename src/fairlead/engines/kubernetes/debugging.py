"""A pod in which somebody debugs a step: created, waited for, furnished, and removed whatever happens."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from fairlead.engines.kubernetes.claiming import Claims
from fairlead.engines.kubernetes.inside.owning import owner_of
from fairlead.engines.kubernetes.locating import is_running
from fairlead.engines.kubernetes.submitting import create
from fairlead.errors import ClusterError
from fairlead.kube import executing
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import JOB, POD
from fairlead.specs.contexts import Submission
from fairlead.specs.steps import Step
from fairlead.targets import job
from fairlead.targets.pods import MAIN, worker_of
from fairlead.targets.podstatus import pod_status
from fairlead.targets.volumes import WORK
from fairlead.worker.tasks import WorkerTask

FOLDER = f"{WORK}/debug"
"""Where the step's workplace is, in the pod."""

_PAUSE_S = 0.5


def worker_command(submission: Submission, step: Step, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of Fairlead's worker in a step's container."""
    start = f"{worker_of(submission.context, step)}/start.py"
    return ["python3", start, f"fairlead.worker.debugging.{module}", *arguments]


@contextmanager
def debug_pod(
    client: Client, submission: Submission, task: WorkerTask, *, lasting_s: int, say: Callable[[str], None]
) -> Iterator[str]:
    """Have a pod as a step has it, with its code and inputs in `FOLDER`; gives the pod's name.

    Args:
        client: The cluster.
        submission: Where the step ran.
        task: What its process was told.
        lasting_s: For how many seconds the pod is there at most, should nobody remove it.
        say: Is told what the pod waits for.

    Raises:
        ClusterError: It can't be created, or has ended before it could be entered.
    """
    manifest = job.debugging(submission, task.step, task.step.name, secrets.token_hex(3), lasting_s)
    name, namespace = manifest["metadata"]["name"], submission.namespace
    try:
        made = create(client, manifest)
        Claims(client, submission, owner_of(JOB, made)).make([task.step])
        pod = _running(client, name, namespace, say)
        _furnish(client, pod, submission, task)
        yield pod
    finally:
        _remove(client, name, namespace)


def _running(client: Client, name: str, namespace: str, say: Callable[[str], None]) -> str:
    """Wait for the job's pod, as long as it takes."""
    said = ""
    while True:
        found = client.get(JOB, name, namespace=namespace)
        pods = client.list(POD, namespace=namespace, labels={"batch.kubernetes.io/job-name": name}).items
        end = job.end_of(found)
        if end is not None or any(pod_status(pod).status is None for pod in pods):
            why = [str(end.get("message", ""))] if end else [pod_status(pod).reason for pod in pods]
            raise ClusterError(
                "the pod to debug in has ended before it could be entered",
                where=f"job {name}, namespace {namespace}",
                why="; ".join(filter(None, why)) or "its container ended",
                next="debug on this machine: --local",
            )
        if pods and is_running(pods[0]):
            return str(pods[0]["metadata"]["name"])
        suspended = found.get("spec", {}).get("suspend")
        status, reason = pod_status(pods[0]) if pods else ("waiting-quota" if suspended else "pending", "")
        now = f"{status}: {reason}" if reason else str(status)
        if now != said:
            said = now
            say(f"pod {now}")
        time.sleep(_PAUSE_S)


def _furnish(client: Client, pod: str, submission: Submission, task: WorkerTask) -> None:
    data, namespace = msgspec.msgpack.encode(task), submission.namespace
    command = worker_command(submission, task.step, "furnishing", FOLDER, str(len(data)))
    ended, _, said = executing.run(client, pod, command, namespace=namespace, container=MAIN, data=data)
    if ended.code:
        raise ClusterError(
            "the step's code and inputs can't be had in the pod",
            where=f"pod {pod}, namespace {namespace}",
            why=" ".join(said.decode("utf-8", "replace").split()),
            next="debug on this machine: --local",
        )


def _remove(client: Client, name: str, namespace: str) -> None:
    """Remove the job with its pod. Another Ctrl-C does not keep it from that; what can't be removed has its time."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with suppress(NotFound):
            client.delete(JOB, name, namespace=namespace, propagation="Background")
    finally:
        signal.signal(signal.SIGINT, before)
