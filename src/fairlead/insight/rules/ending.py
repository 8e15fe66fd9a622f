"""Containers that ended badly, and said nothing that is known, or are not ready: by their exit codes and probes."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import ended, event, fails, has, logs, rule
from fairlead.snapshots.parts import shortened
from fairlead.snapshots.snapshot import INITS, MAINS, Snapshot, Thing

_DOCS = "https://kubernetes.io/docs"
_PROBES = f"{_DOCS}/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"


def _done_again(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a container that waits to be started again although it ended well."""
    for each in pod.containers:
        last = each.part("lastState.terminated")
        if each.text("state.waiting.reason") == "CrashLoopBackOff" and last.number("exitCode") == 0:
            evidence = (*each.cite("state.waiting.reason", "restartCount"), *last.cite("reason", "finishedAt"))
            yield Seen(
                evidence, {"container": each.text("name")}, last.text("finishedAt"), each.text("name"), each.path
            )


def _held_by_sidecar(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod of a job some of whose containers have ended well while others go on."""
    mains = list(pod.each(MAINS))
    done = [each for each in mains if each.number("state.terminated.exitCode") == 0]
    on = [each for each in mains if each.part("state.running").value is not None]
    of_job = any(each.text("kind") in ("Job", "Workflow", "TaskRun") for each in pod.each("metadata.ownerReferences"))
    if done and on and of_job and len(done) + len(on) == len(mains):
        names = {"done": done[0].text("name"), "said": on[0].text("name")}
        evidence = (
            *done[0].cite("name", "state.terminated.finishedAt"),
            *on[0].cite("name", "state.running.startedAt"),
        )
        yield Seen(evidence, names, done[0].text("state.terminated.finishedAt"), on[0].text("name"))


def _initializing(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that waits for an init container which runs, or for a sidecar which is not up."""
    if pod.text("status.phase") != "Pending":
        return
    for each in pod.each(INITS):
        if each.part("state.running").value is not None and each.part("ready").value is not True:
            lines = snapshot.log(pod.ref.name, each.text("name")).splitlines()
            last = next((line for line in reversed(lines) if line.strip()), "")
            since = each.text("state.running.startedAt")
            words = {"container": each.text("name"), "since": since, "said": f": {shortened(last)}" if last else ""}
            yield Seen(each.cite("state.running.startedAt", "ready"), words, since, each.text("name"), each.path)


RULES = (
    rule(
        "illegal-instruction",
        Layer.CODE,
        ended("", codes=(132,), lists=(MAINS,)),
        message="a program of container {container} uses instructions that its node's processor lacks (exit code 132)",
        remedy="take a build for that processor (often AVX or AVX-512), or choose nodes of a newer type",
        source="https://man7.org/linux/man-pages/man7/signal.7.html",
        confidence=0.9,
    ),
    rule(
        "segmentation-fault",
        Layer.CODE,
        ended("", codes=(139, 134, 136), lists=(MAINS,)),
        logs(r"Signal \d+ \(SIG(SEGV|ABRT|ILL|FPE)\) received by PID|exits with return code = -(11|6|4|8)\b"),
        message="the process of container {container} crashed in native code (exit code {code})",
        remedy="set PYTHONFAULTHANDLER=1 to see where; often two libraries that do not go together",
        source="https://docs.python.org/3/library/faulthandler.html",
        kinds=("Pod",),
    ),
    rule(
        "killed",
        Layer.RUN,
        ended("", codes=(137, 143), lists=(MAINS,)),
        logs(r"^(\[\w+\]:? )?KeyboardInterrupt$"),
        message="container {container} was ended from outside (exit code {code}), and nothing says by whom",
        remedy="look for a child that ran out of memory (dmesg of the node), a deadline, or who deleted the pod",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        confidence=0.4,
        is_consequence=True,
    ),
    rule(
        "exit-code",
        Layer.CODE,
        ended(lists=(MAINS,)),
        message="container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace}",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-running-pod/",
        confidence=0.6,
    ),
    rule(
        "failed-by-its-node",
        Layer.START,
        fails(".+", "."),
        message="its node has failed it: {said}",
        remedy="kubectl describe pod {name} -n {namespace}; what it asks of the node may not be allowed or be there",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-phase",
        confidence=0.6,
    ),
    rule(
        "restarted-though-done",
        Layer.CODE,
        Sign("waiting", _done_again),
        message="container {container} ends well and is started again and again: its pod is one that always restarts",
        remedy="let it run as a Job, whose pods end, or have its command go on",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#restart-policy",
    ),
    rule(
        "sidecar-goes-on",
        Layer.RUN,
        Sign("placed", _held_by_sidecar),
        message="container {done} has done its work, and {said} goes on: so the pod does not end",
        remedy="make {said} an init container with restartPolicy: Always, or have it end with the others",
        source=f"{_DOCS}/concepts/workloads/pods/sidecar-containers/",
        confidence=0.7,
    ),
    rule(
        "init-goes-on",
        Layer.INIT,
        Sign("placed", _initializing),
        message="its init container {container} has run since {since}, and the others wait for it{said}",
        remedy="see what it waits for: kubectl logs {name} -c {container} -n {namespace}",
        source=f"{_DOCS}/concepts/workloads/pods/init-containers/",
        confidence=0.6,
        is_consequence=True,  # it may wait for what others lack
    ),
    rule(
        "readiness-gate-unmet",
        Layer.START,
        has("Ready", "False", "ReadinessGatesNotReady"),
        message="its containers are ready, and somebody else holds it back: {said}",
        remedy="look at who sets this condition: for a load balancer, its target's health and its controller",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate",
        kinds=("Pod",),
    ),
    rule(
        "readiness-probe-failed",
        Layer.START,
        event("Unhealthy", r"Readiness probe"),
        message="container {container} does not become ready: {said}",
        remedy="see why it does not answer, or correct the probe: its port, path, timeoutSeconds",
        source=_PROBES,
        confidence=0.8,
    ),
)
