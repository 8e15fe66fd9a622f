"""The pod that launches a published flow: ``python -m fairlead.engines.kubernetes.inside.launching --launch …``.

The run's id is a function of the workflow that launches it, so that a pod that is started again in the place of a lost
one goes on with the same run. It submits the run as a client does, follows it, and ends as the run ends.

Exit codes: 0 where the run has succeeded, `SPENT` where it has not, or can't be launched at all, which the workflow's
retry condition refuses, and 1 where another pod may do better.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from fairlead.engines.kubernetes.engine import KubernetesEngine
from fairlead.engines.kubernetes.stopping import stop
from fairlead.errors import ClaimedError, ClusterError, FairleadError, StoreError
from fairlead.kube.client import Client
from fairlead.kube.connecting import in_pod
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import WORKFLOW
from fairlead.naming import RunId, parse_time, run_id_of, utc_now
from fairlead.specs.contexts import Launch
from fairlead.specs.status import ENDED, SPENT
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.history import read_progress, write_event
from fairlead.store.layout import spec_key
from fairlead.store.opening import open_backend
from fairlead.store.progress import Instance, Progress
from fairlead.store.publishing import Publication, read_published, run_of
from fairlead.store.records import Claim, Event, RunSpec, encode
from fairlead.store.values import Values
from fairlead.targets import naming
from fairlead.targets.sweeps.table import placed


def main(arguments: Sequence[str] | None = None) -> int:
    """Launch the run and follow it to its end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-launch")
    parser.add_argument("--workflow", required=True)
    parser.add_argument("--launch", required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        launch = msgspec.json.decode(given.launch, type=Launch)
        client = Client(in_pod())
        launcher = Launcher(launch, client, client.connection.namespace, open_backend(launch.context.store), given.work)
        return launcher.run(given.workflow)
    except (StoreError, ClusterError) as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
    except FairleadError as error:  # nothing that another pod could mend
        print(f"fairlead: {error}", file=sys.stderr)
        return SPENT


def launched_by(workflow: dict[str, Any]) -> tuple[RunId, float]:
    """Return the id of the run that a workflow launches, and when it was made, in seconds since 1970.

    Args:
        workflow: The workflow, or its metadata alone, as the cluster has it.
    """
    metadata = workflow["metadata"]
    moment = parse_time(metadata["creationTimestamp"])
    return run_id_of(moment, metadata["uid"]), moment.timestamp()


class Launcher:
    """Launches one run of a published flow, or goes on with it.

    Args:
        launch: What is launched.
        client: The cluster.
        namespace: The namespace, which is the pod's own.
        backend: The store.
        work: A folder of this pod.
    """

    def __init__(self, launch: Launch, client: Client, namespace: str, backend: Backend, work: Path) -> None:
        self._launch = launch
        self._client = client
        self._namespace = namespace
        self._backend = backend
        self._values = Values(backend, work / "host")
        self._engine = KubernetesEngine(launch.context, client, namespace, backend)
        self._workflow = ""
        self._asked_to_end = False
        self._interruptible = False

    def run(self, workflow: str) -> int:
        """Launch the run of a workflow of this cluster; returns the exit code."""
        signal.signal(signal.SIGTERM, self._end)
        self._workflow = workflow
        found = self._own_workflow()
        if found is None or _ends(found):
            print("fairlead: nothing is launched: the workflow has been stopped or removed", file=sys.stderr)
            if found is not None:
                self._cancel(launched_by(found)[0])
            return SPENT
        spec = self._spec(*launched_by(found))
        run = spec.run
        claim = claims.newest_claim(self._backend, run) or claims.take_claim(self._backend, run, now=time.time())
        self._write(spec)
        print(f"run {run} of flow {spec.graph.flow}: fairlead get {run} --on {self._launch.context.name}", flush=True)
        try:
            return self._submit_and_follow(spec, claim)
        except _AskedToEnd:
            return self._leave(spec)

    def _spec(self, run: RunId, created: float) -> RunSpec:
        """Return what the run is: the same for every pod of the workflow."""
        launch = self._launch
        spec = run_of(
            read_published(self._backend, Publication(launch.flow, launch.digest)),
            run,
            created,
            labels={**launch.labels, naming.SCHEDULE: launch.name},
            use_cache=launch.use_cache,
            host=self._workflow,
            context=launch.context.name,
        )
        return msgspec.structs.replace(spec, graph=placed(spec.graph, launch.context.targets))

    def _write(self, spec: RunSpec) -> None:
        """Write down what the run is, unless an earlier pod has."""
        key, written = spec_key(spec.run), encode(spec)
        if not self._backend.create(key, written) and self._backend.get(key) != written:
            raise FairleadError(
                f"run {spec.run} is not the one that workflow {self._workflow} launches",
                where=f"store {self._backend.url}",
                why="it was made by another launch in the same second, or of another publication",
                next="launch it once more",
            )

    def _submit_and_follow(self, spec: RunSpec, claim: Claim) -> int:
        """Submit the run, unless it has been, and follow it.

        Its first claim is this workflow's, whichever of its pods took it: what is submitted under it is a function of
        the claim, and is created once. A later one is that of somebody who resumes the run, and is followed.
        """
        progress, handover = read_progress(self._backend, spec), self._engine.adopt(spec, claim)
        if handover is None and claim.number > 1:
            raise ClaimedError(f"run {spec.run} is being resumed", where=f"process {claim.pid} on {claim.host}")
        if handover is None:
            note_transition(self._backend, spec.run, spec.graph.flow, "running", now=utc_now())
            progress = read_progress(self._backend, spec, resume=True, is_kept=self._values.exists)
            handover = self._engine.submit(spec, progress, claim)
        self._interruptible = True
        if self._asked_to_end:
            raise _AskedToEnd
        status = self._engine.follow(spec, progress, claim, handover, Printing())
        self._interruptible = False
        print(f"run {spec.run} {status}", flush=True)
        if status == "succeeded":
            return 0
        return SPENT if status in ENDED else 1  # else somebody has resumed it meanwhile: the next pod follows that

    def _leave(self, spec: RunSpec) -> int:
        """End with this pod: where its workflow ends too, the run is cancelled, else the next pod goes on with it."""
        found = self._own_workflow()
        if found is not None and not _ends(found):
            print(f"fairlead: this pod was asked to end; the next one follows run {spec.run}", file=sys.stderr)
            return 1
        print(f"fairlead: the workflow has been stopped or removed, and with it run {spec.run}", file=sys.stderr)
        self._cancel(spec.run)
        return SPENT

    def _cancel(self, run: str) -> None:
        """Cancel the run, if an earlier pod or this one has launched it."""
        if claims.newest_claim(self._backend, run) is not None:
            write_event(self._backend, run, Event(kind="cancel", time=time.time(), user=self._workflow))
            stop(self._engine, self._backend, run)

    def _own_workflow(self) -> dict[str, Any] | None:
        try:
            return self._client.get(WORKFLOW, self._workflow, namespace=self._namespace)
        except NotFound:
            return None

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Be asked to end: at once while the run is followed, else as soon as it is submitted."""
        self._asked_to_end = True
        if self._interruptible:
            self._interruptible = False
            raise _AskedToEnd


def _ends(workflow: dict[str, Any]) -> bool:
    """Say whether a workflow was stopped or is being removed."""
    return bool(workflow["metadata"].get("deletionTimestamp") or workflow["spec"].get("shutdown"))


class _AskedToEnd(BaseException):
    """The pod was asked to end: no fault, and nothing may take it for one."""


class Printing:
    """An observer that prints what becomes of each step, for the log of the pod."""

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """Print nothing: who launches has said it."""

    def changed(self, instance: Instance) -> None:
        """Print how an instance is doing."""
        reason = f": {instance.reason}" if instance.reason else ""
        print(f"{instance.name}/{instance.index} {instance.status}{reason}", flush=True)

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """Print nothing."""

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """Print nothing."""

    def noted(self, message: str) -> None:
        """Print what the user should know."""
        print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main())
