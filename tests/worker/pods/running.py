"""Runs whose steps are pods, without a cluster: their commands are processes here, started as a workflow would."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from engines.local.driving import MARK, SOURCE, flags, marked, steps_of, wait_for
from fairlead.engines.kubernetes.remaining import left
from fairlead.engines.kubernetes.reopening import reopen
from fairlead.naming import utc_now
from fairlead.packaging.travelling import pack_project
from fairlead.runs.launching import load_flow, traced_from_file
from fairlead.runs.options import Options
from fairlead.runs.reporting import read_report
from fairlead.runs.specifying import moved, new_run, revised, specify
from fairlead.specs.status import SPENT
from fairlead.store import claims
from fairlead.store.catalog import note_transition
from fairlead.store.history import cancel_requests, read_progress, read_spec, write_event
from fairlead.store.layout import spec_key
from fairlead.store.opened import Store
from fairlead.store.records import Claim, Event, Handover, RunSpec, encode
from fairlead.testing.engines import Ended
from fairlead.worker.upstream import Upstream

AT_ONCE = 2
"""Pods that run at once."""


class Pod:
    """One instance of a step, attempted by one process after another."""

    def __init__(self, run: PodRun, node: int, item: int, folder: Path) -> None:
        self.codes: list[int] = []
        self.output = b""
        self.facts: dict[str, str] = {}
        self.more: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None
        self._run = run
        self._folder = folder
        self._where = (f"--node={node}", f"--item={item}")
        retries = run.spec.graph.step_of(run.spec.graph.nodes[node]).retries
        self._tries = 1 + retries.user + retries.infrastructure

    def run(self) -> None:
        """Attempt the instance until it is done, or no other attempt may follow."""
        while len(self.codes) < self._tries and not self._run.stopping:
            self.codes.append(self.attempt())
            if self.codes[-1] in (0, SPENT):
                break

    def attempt(self, **options: Any) -> int:
        """Run one pod to its end; returns its exit code."""
        with self.started(**options) as process:
            return process.wait(120)

    @contextmanager
    def started(self, *, before: tuple[str, ...] = (), **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Start one pod, in a folder of its own; what is left of it is killed at the end.

        Args:
            before: The command that the pod's own follows.
            options: Of the process.
        """
        work = self._folder / f"pod-{len(list(self._folder.glob('pod-*')))}"
        work.mkdir(parents=True)
        work.chmod(0o777)  # an emptyDir is everybody's
        mark = work.as_posix()
        arguments = [*self._run.identity(), *self._where, *self.more, f"--work={work}", f"--facts={work}/facts"]
        with (work / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [*before, *self._run.starter, "fairlead.worker.pods.main", *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                **{"cwd": work, **options, "env": {**options.get("env", environment()), MARK: mark}},
            )  # fmt: skip
        try:
            yield self.process
        finally:
            self.process.kill()
            self.process.wait(30)
            for pid in marked(mark):  # its task: in a cluster the container ends with its first process
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.facts = {each.name: each.read_text() for each in (work / "facts").glob("*")}
        self.output = (work / "output").read_bytes()


class PodRun:
    """A run that was submitted, and whose pods are processes.

    Args:
        store: The store.
        spec: What the run is.
        claim: The claim that it was submitted under.
        folder: A folder for the files of its pods.
        starter: The command that starts a module.
    """

    def __init__(
        self, store: Store, spec: RunSpec, claim: Claim, folder: Path, starter: tuple[str, ...] = (sys.executable, "-m")
    ) -> None:
        self.starter = starter
        self.store = store
        self.spec = spec
        self.claim = claim
        self.stopping = False
        self.pods: dict[tuple[int, int], Pod] = {}
        self._folder = folder
        self._cancels = cancel_requests(store.backend, spec.run)

    def identity(self) -> list[str]:
        """Return the arguments that say which run a pod is of."""
        return [
            f"--store={self.store.url}", f"--run={self.spec.run}", f"--revision={self.spec.revision}",
            f"--generation={self.claim.number}", f"--cancels-before={self._cancels}",
        ]  # fmt: skip

    def pod(self, node: int = 0, item: int = 0) -> Pod:
        """Return the pod of an instance."""
        if (node, item) not in self.pods:
            self.pods[node, item] = Pod(self, node, item, self._folder / f"{self.claim.number}-{node}-{item}")
        return self.pods[node, item]

    def run(self) -> None:
        """Go through what is left of the graph in order, and write down the end."""
        opened = left(read_progress(self.store.backend, self.spec, resume=True))
        for node, items in opened.items():
            if self.stopping:
                break
            count = Upstream(self.store.backend, self.spec, self._compacted()).count_of(node)
            with ThreadPoolExecutor(AT_ONCE) as starters:
                list(starters.map(lambda item, node=node: self.pod(node, item).run(), items or range(count)))
        self.finish()

    def finish(self) -> None:
        """Run the last pod."""
        subprocess.run(
            [sys.executable, "-m", "fairlead.worker.pods.finish", *self.identity()],
            env=environment(), check=True, capture_output=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Ask the pods that run to end, and start no more."""
        self.stopping = True
        for pod in list(self.pods.values()):
            if pod.process is not None and pod.process.poll() is None:
                pod.process.send_signal(signal.SIGTERM)

    def ended(self) -> Ended:
        """Return how the run ended."""
        report = read_report(self.store.backend, self.spec.run)
        return Ended(report, {"succeeded": 0, "cancelled": 130}.get(report.status, 1))

    def _compacted(self) -> Any:
        from fairlead.store.history import read_compacted

        return read_compacted(self.store.backend, self.spec.run)


class PodLaunch:
    """Runs flows in pods that are processes.

    Args:
        folder: A folder for everything.
    """

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.home = folder / "home"
        self.store = store or Store(str(self.home), self.home / "host")
        self.starter: tuple[str, ...] = (sys.executable, "-m")
        self._folder = folder / "pods"
        self._begun: dict[str, tuple[PodRun, threading.Thread]] = {}

    def __call__(self, file: Path, flow: str, parameters: Mapping[str, Any], *, use_cache: bool = False) -> Ended:
        run = self.submit(file, flow, parameters, use_cache=use_cache)
        run.run()
        return run.ended()

    def submit(self, file: Path, flow: str, parameters: Mapping[str, Any], *, use_cache: bool = False) -> PodRun:
        """Submit a run, of which nothing runs yet."""
        project, found = load_flow(str(file), flow)
        given = {flag[2:]: value for flag, value in zip(*[iter(flags(parameters))] * 2, strict=True)}
        traced = found.trace(found.read_flags(given))
        run, created = new_run()
        claim = claims.take_claim(self.store.backend, run, now=time.time())
        package = pack_project(project, without=(self.home, self._folder)).data
        options = Options(use_cache=use_cache, on="processes")
        spec = specify(self.store, project, traced, options, run=run, created=created, package=package)
        self.store.backend.create(spec_key(run), encode(spec))
        return self._submitted(spec, claim)

    def begin(self, file: Path, flow: str, parameters: Mapping[str, Any], *, until: str) -> str:
        run = self.submit(file, flow, parameters)
        thread = threading.Thread(target=run.run)
        thread.start()
        self._begun[run.spec.run] = run, thread
        wait_for(lambda: any(each.status == "running" for each in steps_of(self.store, run.spec.run, until)))
        return run.spec.run

    def cancel(self, run: str) -> Ended:
        begun, thread = self._begun[run]
        write_event(self.store.backend, run, Event(kind="cancel", time=time.time()))
        begun.stop()
        thread.join(60)
        return begun.ended()

    def resume(self, run: str) -> Ended:
        if read_report(self.store.backend, run).status == "succeeded":
            return Ended(read_report(self.store.backend, run), 0)
        spec = read_spec(self.store.backend, run)
        return self._resumed(spec, moved(self.store, spec, "processes"), before=None)

    def resume_with_current_code(self, run: str) -> Ended:
        """Go on with a run with its file as it is now."""
        spec = read_spec(self.store.backend, run)
        project, traced = traced_from_file(spec)
        package = pack_project(project, without=(self.home, self._folder)).data
        fresh = revised(self.store, spec, Options(on="processes"), project, traced, package)
        return self._resumed(spec, fresh, before=spec)

    def _resumed(self, spec: RunSpec, fresh: RunSpec, before: RunSpec | None) -> Ended:
        claim = claims.take_claim(self.store.backend, spec.run, now=time.time())
        reopen(self.store, fresh, claim, before=before)
        if fresh is not spec:
            self.store.backend.create(spec_key(spec.run, fresh.revision), encode(fresh))
        resumed = self._submitted(fresh, claim)
        resumed.run()
        return resumed.ended()

    def _submitted(self, spec: RunSpec, claim: Claim) -> PodRun:
        handover = Handover(context="processes", namespace="here", name=spec.run)
        claims.hand_over(self.store.backend, spec.run, claim, handover)
        note_transition(self.store.backend, spec.run, spec.graph.flow, "running", now=utc_now())
        return PodRun(self.store, spec, claim, self._folder / spec.run, self.starter)


def environment() -> dict[str, str]:
    """Return the environment of a pod: it knows nothing of who submitted it."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("FAIRLEAD_")}
    return outside | {"PYTHONPATH": SOURCE}


def remove_tree(path: Path) -> None:
    """Remove a folder that may be read only."""
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o755)
    shutil.rmtree(path)
