"""Where everything lies in a store. The keys are the store's format: they change with its version only.

objects/<digest>                              values, by the SHA-256 of their bytes
cache/<key>                                   what a step with this cache key returned
layers/<digest>                               the packages of a lock, installed for one kind of Python and platform
platforms/<digest>                            which platform an image has, by the digest of its name
catalog/<day>/<time>~<run>~<flow>~<status>    newest first: an empty object per transition of a run, `ps` is a page
runs/<run>/spec                               the graph, the code and the constants; create-once
runs/<run>/claims/<number>                    who drives the run; create-once
runs/<run>/submissions/<claim>                where a run was sent under this claim, and with what; create-once
runs/<run>/held/<claim>                       what counts of a run with other code where its key is the same
runs/<run>/calls/<step>.<index>               what a driver in a pod called; create-once
runs/<run>/tasks/<step>.<index>.<number>      what the ranks of a gang are told; create-once
runs/<run>/occurrences/<digest>.<number>      which of several equal executions an instance is; create-once
runs/<run>/starts/<step>.<index>.<number>     an attempt began, in a pod; create-once, and so its number is its own
runs/<run>/layers/<digest>                    why no layer could be made of a lock, by the digest of layers/
runs/<run>/attempts/<step>.<index>.<number>   one record per attempt, by its worker; create-once
runs/<run>/attempts/<step>.<index>.0          instead of them: what a pod found in the cache; create-once
runs/<run>/observed/<claim>.<level>.<number>  what the driver saw, in segments
runs/<run>/evidence/<uid>.<transition>        what a watcher saw of a pod that fared badly; create-once
runs/<run>/waits/<claim>                      why its steps wait, by a recorder; replaced by what it sees next
runs/<run>/events/<time>.<kind>               what people asked for: cancel, label, pin
runs/<run>/logs/<step>.<index>.<number>       output of the attempt; .r<rank> follows for ranks
runs/<run>/logs/<attempt>.s<place>            a piece of it that begins there, while a pod writes it
runs/<run>/metrics/<step>.<index>.<number>    what the attempt logged, one JSON document per line
runs/<run>/checkpoints/<step>.<index>/        the step's checkpoint folder, or those that its pods have put there
runs/<run>/final/<claim>                      everything above it replaces, once the run has ended
published/<flow>/<digest>                     what a flow is before it runs, named by its bytes; create-once
jobs/<digest>                                 the run of another system's job, by the digest of its id; create-once
gc/active                                     the lease of whoever collects garbage
gc/lock                                       locked by who uses or removes objects, in a folder
damaged/<digest>                              damaged objects that a check has moved aside
.fairlead/clock                               written to see the store's own time
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.naming import digest_bytes

OBJECTS = "objects/"
CACHE = "cache/"
CATALOG = "catalog/"
LAYERS = "layers/"
PLATFORMS = "platforms/"
RUNS = "runs/"
PUBLISHED = "published/"
JOBS = "jobs/"
COLLECTOR = "gc/active"
COLLECTOR_LOCK = "gc/lock"
DAMAGED = "damaged/"
CLOCK = ".fairlead/clock"


class Task(NamedTuple):
    """One attempt of one instance of a step, or one rank of it."""

    step: str
    index: int  # type: ignore[assignment]  # a tuple's method of that name is not wanted here
    number: int
    rank: int | None = None

    def __str__(self) -> str:
        suffix = "" if self.rank is None else f".r{self.rank}"
        return f"{self.step}.{self.index}.{self.number}{suffix}"


def parse_task(text: str) -> Task:
    """Read the name of an attempt's record or log back."""
    head, _, last = text.rpartition(".")
    rank = int(last[1:]) if last.startswith("r") else None
    if rank is not None:
        head, _, last = head.rpartition(".")
    step, _, index = head.rpartition(".")
    return Task(step, int(index), int(last), rank)


def object_key(digest: str) -> str:
    """Return the key of a value's bytes."""
    return OBJECTS + digest


def run_prefix(run: str) -> str:
    """Return the prefix of everything a run has written."""
    return f"{RUNS}{run}/"


def spec_key(run: str, revision: int = 0) -> str:
    """Return the key of a run's spec, or of a later one that replaces it."""
    return f"{RUNS}{run}/spec" + (f"-{revision:04}" if revision else "")


def published_key(flow: str, digest: str) -> str:
    """Return the key of what a flow is before it runs."""
    return f"{PUBLISHED}{flow}/{digest}"


def job_key(job: str) -> str:
    """Return the key that says which run a job of another system's is."""
    return JOBS + digest_bytes(job.encode())


def layer_fault_key(run: str, layer: str) -> str:
    """Return the key that says why a layer could not be made, by the layer's own key."""
    return f"{RUNS}{run}/{layer}"


def attempt_key(run: str, task: Task) -> str:
    """Return the key of an attempt's record."""
    return f"{RUNS}{run}/attempts/{task}"


def submission_key(run: str, claim: int) -> str:
    """Return the key of what a run was submitted with."""
    return f"{RUNS}{run}/submissions/{claim:06}"


def held_key(run: str, claim: int) -> str:
    """Return the key of what counts of a run that goes on with other code, where its cache key is the same."""
    return f"{RUNS}{run}/held/{claim:06}"


def call_key(run: str, step: str, index: int) -> str:
    """Return the key of a driver's call, by the instance that it became."""
    return f"{RUNS}{run}/calls/{step}.{index}"


def task_key(run: str, task: Task) -> str:
    """Return the key of what the ranks of a gang are told."""
    return f"{RUNS}{run}/tasks/{task}"


def start_key(run: str, task: Task) -> str:
    """Return the key that says that an attempt began."""
    return f"{RUNS}{run}/starts/{task}"


def evidence_prefix(run: str) -> str:
    """Return the prefix of what watchers saw of a run's pods."""
    return f"{RUNS}{run}/evidence/"


def evidence_key(run: str, uid: str, transition: str) -> str:
    """Return the key of what a watcher saw of a pod: a name that every watcher gives it."""
    return f"{evidence_prefix(run)}{uid}.{transition}"


def waits_prefix(run: str) -> str:
    """Return the prefix of what recorders say of why a run's steps wait."""
    return f"{RUNS}{run}/waits/"


def waits_key(run: str, claim: int) -> str:
    """Return the key of why a run's steps wait that was submitted under a claim."""
    return f"{waits_prefix(run)}{claim:06}"


def log_key(run: str, task: Task) -> str:
    """Return the key of an attempt's output."""
    return f"{RUNS}{run}/logs/{task}"


def metrics_key(run: str, task: Task) -> str:
    """Return the key of what an attempt logged."""
    return f"{RUNS}{run}/metrics/{task}"


def checkpoint_prefix(run: str, step: str, index: int) -> str:
    """Return the prefix of a step's checkpoints."""
    return f"{RUNS}{run}/checkpoints/{step}.{index}/"
