"""Running one task: inputs in, the user's function, outputs and the attempt's record out."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.authoring.annotations import accepts, output_annotations, show
from fairlead.errors import ClaimedError, DamagedError, FairleadError, StoreError
from fairlead.naming import digest_bytes
from fairlead.specs import steps as specs
from fairlead.specs.graphs import Export
from fairlead.specs.runtimes import ClusterRuntime, Standing
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend
from fairlead.store.claims import host_name, pod_uid
from fairlead.store.layout import CACHE, Task, attempt_key
from fairlead.store.records import AttemptRecord, CacheEntry, Items, Outcome, decode, encode
from fairlead.store.values import Values
from fairlead.worker import context, failures
from fairlead.worker.cgroups import join
from fairlead.worker.ray_losses import is_of_a_lost_node
from fairlead.worker.tasks import DictInput, Given, Input, ListInput, Stored, WorkerTask
from fairlead.worker.usage import usage


class Kept(NamedTuple):
    """Outputs that are stored already: a sweep's."""

    refs: tuple[Ref, ...]


class WrongResult(FairleadError):
    """A step returned what it must not."""


def run_task(
    task: WorkerTask,
    function: Callable[..., Any],
    backend: Backend,
    send: Callable[[Any], None],
    root: str,
    saved: Callable[[Path], None] | None = None,
) -> bool:
    """Run a task in this process and write its record; True where it succeeded.

    Args:
        task: What to do.
        function: The user's function, or what stands for it.
        backend: The store.
        send: Sends a message to the driver.
        root: The project's root, by which the user's own frames are known.
        saved: Is told of each complete checkpoint, where these have to be taken elsewhere.
    """
    values = Values(backend, Path(task.host))
    attempt = context.Attempt(
        task.id, Path(task.checkpoints), Path(task.metrics), send, saved, context.placed(task.step, task.volumes)
    )
    context.set_current(attempt)
    started = time.time()
    error = damaged = None
    code, blameless = 0, False
    outcome = Outcome()
    try:
        outcome = perform(task, function, values, root)
    except (Exception, SystemExit, KeyboardInterrupt) as caught:  # the edge of the user's code
        error = failures.report(caught, root)
        damaged = caught.value if isinstance(caught, DamagedError) else None
        code, blameless = exit_code(caught), is_of_the_store(caught) or is_of_a_lost_node(caught)
        sys.stderr.write(error.traceback)
    finally:
        context.set_current(None)
        attempt.close()
        sys.stdout.flush()
        sys.stderr.flush()
    unstable = None
    if error is None:
        outcome = _with_metrics(outcome, attempt)
        unstable = _enter_in_cache(task, backend, outcome)
    else:
        outcome = _with_metrics(Outcome(), attempt)
    used = usage()
    backend.create(attempt_key(task.run, task_name(task)), encode(AttemptRecord(
        step=task.step.name, index=task.index, number=task.number,
        status="failed" if error else "succeeded", exit_code=code, error=error, outcome=outcome,
        started=started, finished=time.time(), unstable=unstable, damaged=damaged, host=host_name(),
        retry=error is not None and (task.retry_lost if blameless else task.retry), infrastructure=blameless,
        rank=task.rank.rank if task.rank else None, pod_uid=pod_uid(),
        peak_memory_bytes=used.peak_memory_bytes, cpu_s=used.cpu_s,
    )))  # fmt: skip
    return error is None


def perform(task: WorkerTask, function: Callable[..., Any], values: Values, root: str) -> Outcome:
    """Load a task's inputs, call its function, and store what that returns, unless another rank's counts.

    Args:
        task: What to do.
        function: The user's function, or what stands for it.
        values: The store's.
        root: The project's root.
    """
    inputs = {name: load_input(values, given) for name, given in task.inputs.items()}
    with _cluster_of(task, root):
        returned = function(**inputs)
    if task.rank is not None and task.rank.rank != 0:
        return Outcome()
    try:
        return _keep(task, function, values, returned)
    except StoreError as error:
        what, why = f"the result of step {task.step.name!r} can't be stored", f"{error.what}: {error.why}"
        raise StoreError(what, where=error.where, why=why, next=error.next) from error


def _cluster_of(task: WorkerTask, root: str) -> AbstractContextManager[None]:
    """Return the cluster of the task's framework on this machine, or what sends work into one that stands.

    Of a cluster of its own in pods, the task is the one rank.
    """
    runtime = task.step.runtime
    if not isinstance(runtime, ClusterRuntime | Standing) or task.rank is not None:
        return nullcontext()
    if isinstance(runtime, Standing) and runtime.variable in os.environ:
        from fairlead.worker.standing import sending  # lazy: few steps have one

        return sending(task.step, runtime, root)
    from fairlead.worker.clusters import cluster_here  # lazy: few steps have one

    return cluster_here(task.step)


def is_of_the_store(error: BaseException) -> bool:
    """Say whether it is the store that failed a step, by not giving or not taking a value: the step is not to blame."""
    return isinstance(error, StoreError) and not isinstance(error, ClaimedError)


def exit_code(error: BaseException) -> int:
    """Return what Python would exit with: the user's own code after ``sys.exit(3)``, which is a failure in any case."""
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) and code else 1


def load_input(values: Values, given: Input) -> Any:
    """Turn an input into the Python value the function receives."""
    match given:
        case Given(value):
            return value
        case Stored(ref, path):
            return _at(load(values, ref), path)
        case ListInput(items):
            return [load_input(values, item) for item in items]
        case DictInput(items):
            return {key: load_input(values, item) for key, item in items.items()}


def load(values: Values, ref: Ref) -> Any:
    """Load what a step receives; an error names this value, whichever part of it is damaged, for it to be made again.

    Raises:
        DamagedError: Some of it is missing, or is not what was written.
    """
    try:
        return values.load(ref)
    except DamagedError as error:
        error.value = ref.digest
        raise


def task_name(task: WorkerTask) -> Task:
    """Return what names a task's record and log."""
    return Task(task.step.name, task.index, task.number, task.rank.rank if task.rank else None)


def _with_metrics(outcome: Outcome, attempt: context.Attempt) -> Outcome:
    return Outcome(outputs=outcome.outputs, items=outcome.items, exports=outcome.exports, metrics=attempt.summaries)


def _keep(task: WorkerTask, function: Any, values: Values, returned: Any) -> Outcome:
    """Store what the step returned, after checking it against the annotation."""
    if isinstance(returned, Kept):
        refs = returned.refs
        outputs = tuple(map(values.load, refs)) if task.exports or task.split else ()
    else:
        outputs = _outputs(task, function, returned)
        refs = tuple(values.save(value) for value in outputs)
    exports = tuple(_scalar(task, export, outputs) for export in task.exports)
    items = tuple(_save_items(task, split, outputs, values) for split in task.split)
    return Outcome(outputs=refs, items=items, exports=exports)


def _outputs(task: WorkerTask, function: Any, returned: Any) -> tuple[Any, ...]:
    count = len(task.step.outputs)
    annotations = output_annotations(_return_annotation(function))
    if count > 1:
        if not isinstance(returned, tuple) or len(returned) != count:
            got = f"{len(returned)} values" if isinstance(returned, tuple) else type(returned).__name__
            raise _wrong(task, f"returns {count} values by its annotation, got {got}")
        outputs: tuple[Any, ...] = returned
    else:
        outputs = (returned,)
    for annotation, value in zip(annotations, outputs, strict=False):
        if not accepts(annotation, value):
            shown = repr(value) if len(repr(value)) < 60 else "one of another type"
            raise _wrong(task, f"returns {show(annotation)} by its annotation, got {type(value).__name__}: {shown}")
    return outputs


def _return_annotation(function: Any) -> Any:
    from fairlead.authoring.steps import signature_of

    try:
        return signature_of(function).return_annotation
    except (TypeError, ValueError):
        return Any


def _wrong(task: WorkerTask, what: str) -> WrongResult:
    return WrongResult(f"step {task.step.name!r} {what}", next="return that, or change the annotation")


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _scalar(task: WorkerTask, export: Export, outputs: tuple[Any, ...]) -> Any:
    keys = "".join(f"[{key!r}]" for key in export.path)
    try:
        value = _at(outputs[export.output], export.path)
    except (LookupError, TypeError) as error:
        raise _wrong(
            task, f"has no {keys} in its result, which a condition reads ({type(error).__name__}: {error})"
        ) from None
    value = value.item() if hasattr(value, "item") else value
    if value is not None and not isinstance(value, str | int | float | bool):
        raise _wrong(task, f"has a {type(value).__name__} at {keys or 'its result'}, where a condition needs a scalar")
    return value


def _save_items(task: WorkerTask, split: Export, outputs: tuple[Any, ...], values: Values) -> Ref:
    listed = _at(outputs[split.output], split.path)
    if isinstance(listed, str | bytes | dict) or not hasattr(listed, "__iter__"):
        raise _wrong(task, f"returned {type(listed).__name__}, which the next step maps over; it must be a list")
    return save_items(values, iter(listed))


def save_items(values: Values, listed: Iterator[Any]) -> Ref:
    """Store each item of a list as a value of its own, and the list of them."""
    return values.keep(encode(Items(tuple(values.save(item) for item in listed))), "items")


def _enter_in_cache(task: WorkerTask, backend: Backend, outcome: Outcome) -> str | None:
    """Enter an outcome; returns the digest an earlier one had under the same key, where it differs."""
    if task.cache_key is None:
        return None
    entry = CacheEntry(outcome=outcome, run=task.run, step=task.step.name, index=task.index)
    key = CACHE + task.cache_key
    if backend.create(key, encode(entry)):
        return None
    known = decode(backend.get(key), CacheEntry, key=key)
    if known.outcome.outputs == outcome.outputs:
        return None
    backend.put(key, encode(entry))
    return known.outcome.outputs[0].digest if known.outcome.outputs else None


def find_function(step: specs.Step, modules: Callable[[str], Any]) -> Callable[..., Any]:
    """Return the function that a step names.

    Args:
        step: The step.
        modules: Imports a module by name.

    Raises:
        FairleadError: The module has no such name any more.
    """
    assert isinstance(step, specs.FunctionStep | specs.DriverStep)
    module_name, _, qualified = step.function.partition(":")
    found: Any = modules(module_name)
    for part in qualified.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise FairleadError(
                f"module {module_name!r} has no {qualified!r}, which is the step {step.name!r}",
                next="define the step at the top level of the module, and keep its name",
            ) from None
    function: Callable[..., Any] = getattr(found, "function", found)
    return function


def seed_of(task: WorkerTask) -> int:
    """Return the seed of an attempt, from (run, step, index, attempt): 32 bits, as NumPy takes them."""
    identity = f"{task.run}/{task.step.name}/{task.index}/{task.number}/{task.rank.rank if task.rank else 0}"
    return int(digest_bytes(identity.encode())[:8], 16)


def environment_of(task: WorkerTask) -> dict[str, str]:
    """Return the environment variables that a task's process has beside those it inherits."""
    threads = str(task.threads)
    own = {
        "FAIRLEAD_RUN": task.run,
        "FAIRLEAD_STEP": task.step.name,
        "FAIRLEAD_INDEX": str(task.index),
        "FAIRLEAD_ATTEMPT": str(task.number),
        "FAIRLEAD_SEED": str(seed_of(task)),
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    has_others = task.rank is not None and bool(task.rank.master_address)
    return {**own, **task.variables, **(_rank_environment(task) if has_others else {})}


def _rank_environment(task: WorkerTask) -> dict[str, str]:
    rank = task.rank
    assert rank is not None
    environment = {
        "RANK": str(rank.rank),
        "LOCAL_RANK": str(rank.local_rank),
        "WORLD_SIZE": str(rank.world_size),
        "LOCAL_WORLD_SIZE": str(rank.local_world_size),
        "NODE_RANK": str(rank.node_rank),
        "GROUP_RANK": str(rank.node_rank),
        "MASTER_ADDR": rank.master_address,
        "MASTER_PORT": str(rank.master_port),
    }
    if rank.kind == "tensorflow":
        place = {"type": "worker", "index": rank.rank}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": rank.workers}, "task": place})
    if rank.kind == "mpi":
        environment |= {
            "OMPI_COMM_WORLD_RANK": str(rank.rank),
            "OMPI_COMM_WORLD_SIZE": str(rank.world_size),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(rank.local_rank),
        }
    if rank.kind == "xgboost":
        environment |= {
            "DMLC_TRACKER_URI": rank.master_address,
            "DMLC_TRACKER_PORT": str(rank.master_port),
            "DMLC_NUM_WORKER": str(rank.world_size),
            "DMLC_TASK_ID": str(rank.rank),
        }
    return environment


def write_lines_at_once() -> None:
    """Have both streams of this process pass on each line as it is written, whatever is in it."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]  # a text file


def set_up_process(task: WorkerTask) -> None:
    """Give this process a task's memory limit, environment, output and random state."""
    if task.memory_group is not None:
        join(task.memory_group)
    os.environ.update(environment_of(task))
    if task.scratch is not None:
        os.mkdir(task.scratch)
        os.environ["TMPDIR"] = task.scratch
        if "tempfile" in sys.modules:
            setattr(sys.modules["tempfile"], "tempdir", None)  # noqa: B010  # it has looked already, and is to look again
    if task.log is not None:
        descriptor = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        write_lines_at_once()
    from fairlead.worker.seeding import seed_everything

    seed_everything(seed_of(task))
