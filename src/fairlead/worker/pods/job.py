"""The first and the last pod of a run that is a job of somebody else's pipelines: nobody of Fairlead's submits it.

    python -m fairlead.worker.pods.job begin --job ID --launch … --tell FILE
    python -m fairlead.worker.pods.job finish --job ID --store URL

The first makes the run of a published flow, and tells its id to the pods of the steps; started again for the same job
it finds the run that it has made. The last writes down how the run ended, whatever became of the pods between.

Exit codes: 0 where it is done, 1 where another pod may do better.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fairlead.errors import FairleadError, NotFoundError
from fairlead.naming import RunId, new_run_id, utc_now
from fairlead.specs.contexts import Launch, Submission
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.layout import job_key, spec_key, submission_key
from fairlead.store.publishing import Publication, read_published, run_of
from fairlead.store.records import Handover, JobRun, RunSpec, decode, encode
from fairlead.worker.concluding import conclude
from fairlead.worker.pods.place import open_store

WORKFLOW, NAMESPACE = "FAIRLEAD_WORKFLOW", "FAIRLEAD_NAMESPACE"
"""The variables that say which workflow the first pod is of, and in which namespace."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Begin or finish the run of a job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-job")
    parser.add_argument("what", choices=("begin", "finish"))
    parser.add_argument("--job", required=True)
    parser.add_argument("--launch", default="")
    parser.add_argument("--tell", type=Path, default=Path())
    parser.add_argument("--store", default="")
    given = parser.parse_args(arguments)
    try:
        if given.what == "finish":
            return finish(open_store(given.store), given.job)
        launch = msgspec.json.decode(given.launch, type=Launch)
        run = begin(open_store(launch.context.store), launch, given.job)
        given.tell.parent.mkdir(parents=True, exist_ok=True)
        given.tell.write_text(run)
        return 0
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def begin(backend: Backend, launch: Launch, job: str) -> str:
    """Make the run of a job, unless an earlier pod has; returns its id.

    It is under way on a cluster from then on: its claim holds until the last pod, or somebody in its place, ends it.
    """
    published = read_published(backend, Publication(launch.flow, launch.digest))
    made = _job_run(backend, job)
    workflow, namespace = os.environ.get(WORKFLOW, job), os.environ.get(NAMESPACE, "")
    spec = run_of(
        published,
        RunId(made.run),
        made.created,
        labels=launch.labels,
        use_cache=launch.use_cache,
        host=workflow,
        context=launch.context.name,
    )
    claim = claims.newest_claim(backend, spec.run) or claims.take_claim(backend, spec.run, now=time.time())
    if claims.handed_over(backend, spec.run, claim) is None:
        backend.create(spec_key(spec.run), encode(spec))
        submission = Submission(
            run=spec.run, flow=spec.graph.flow, context=launch.context, namespace=namespace, labels=launch.labels
        )
        backend.create(submission_key(spec.run, claim.number), encode(submission))
        note_transition(backend, spec.run, spec.graph.flow, "running", now=utc_now())
        handover = Handover(context=launch.context.name, namespace=namespace, name=workflow)
        claims.hand_over(backend, spec.run, claim, handover)
    print(f"run {spec.run} of flow {spec.graph.flow}: fairlead get {spec.run} --on {launch.context.name}", flush=True)
    return spec.run


def finish(backend: Backend, job: str) -> int:
    """Conclude the run of a job, unless it was taken over; returns the exit code."""
    key = job_key(job)
    try:
        run = decode(backend.get(key), JobRun, key=key).run
        spec = decode(backend.get(spec_key(run)), RunSpec, key=spec_key(run))
    except NotFoundError:
        print(f"fairlead: the job {job} has begun no run", file=sys.stderr)
        return 0
    claim = claims.newest_claim(backend, run)
    if claim is not None and claim.number == 1:
        print(f"run {run} {conclude(backend, spec, claim, cancels_before=0)}")
    return 0


def _job_run(backend: Backend, job: str) -> JobRun:
    """Return which run a job is: a new one for the first who asks."""
    key, now = job_key(job), utc_now()
    made = JobRun(run=new_run_id(now), created=now.timestamp())
    return made if backend.create(key, encode(made)) else decode(backend.get(key), JobRun, key=key)


if __name__ == "__main__":
    sys.exit(main())
