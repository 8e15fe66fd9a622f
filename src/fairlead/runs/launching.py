"""Launching a run: import, trace, check, write the spec, claim, drive; and resuming one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from fairlead.authoring.flows import Flow, alone
from fairlead.authoring.parameters import revived
from fairlead.authoring.steps import Step
from fairlead.authoring.sweeps import Sweep
from fairlead.authoring.tracing import Traced
from fairlead.engines.contract import Observer
from fairlead.engines.local.engine import LocalEngine
from fairlead.errors import (
    ClaimedError,
    FairleadError,
    Fault,
    NotFoundError,
    SpecError,
    StoreError,
    UsageError,
    nearest,
)
from fairlead.naming import utc_now
from fairlead.packaging.loading import import_project
from fairlead.packaging.package import unpack
from fairlead.packaging.project import Project, find_project
from fairlead.runs import contexts
from fairlead.runs.finding import find_run
from fairlead.runs.handles import Run
from fairlead.runs.home import home
from fairlead.runs.options import Options, Silent
from fairlead.runs.remaining import remaining
from fairlead.runs.reporting import report, report_of
from fairlead.runs.settings import open_store, settings
from fairlead.runs.specifying import new_run, repeated, revised, specify
from fairlead.specs import documents, graphs
from fairlead.specs.contexts import LOCAL
from fairlead.specs.reports import RunReport
from fairlead.specs.steps import DriverStep, FunctionStep
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import note_transition
from fairlead.store.history import RESUMED, cancel_requests, compact, progress_of, read_progress, read_spec
from fairlead.store.layout import object_key, spec_key
from fairlead.store.opened import Store
from fairlead.store.progress import Progress
from fairlead.store.records import Claim, RunSpec, encode
from fairlead.targets.sweeps.table import asked_of, placed
from fairlead.worker.running import find_function
from fairlead.worker.settled import settled_keys
from fairlead.worker.tasks import ProjectCode

_NOTEBOOK = "fairlead.notebook.running"
"""What runs flows where IPython is at work: a layer above this one, so it is known by name alone."""


def load_flow(file: str, name: str | None) -> tuple[Project, Flow[..., Any]]:
    """Import a file and return its flow.

    Args:
        file: The path of a Python file.
        name: The flow's name, or that of a step or a sweep, which is run alone; it may be left out where the file has
            one flow.

    Raises:
        UsageError: There is no such file or flow, several flows, or the file can't be imported.
    """
    project = find_project(Path(file))
    module = import_project(project)
    flows = {
        each.name: each
        for each in vars(module).values()
        if isinstance(each, Flow) and each.__module__ == module.__name__
    }
    by_function = {each.function.__name__: each for each in flows.values()}
    if name is not None:
        steps = _steps_of(module)
        sweeps = {each.spec.name: each for each in vars(module).values() if isinstance(each, Sweep)}
        sweeps |= {variable: each for variable, each in vars(module).items() if isinstance(each, Sweep)}
        single = steps.get(name) or sweeps.get(name)
        found = flows.get(name) or by_function.get(name) or (alone(single) if single else None)
        if found is None:
            known = [*flows, *steps, *sweeps]
            raise UsageError(
                f"{file} has no flow, step or sweep {name!r}",
                next=nearest(name, known) or "decorate a function with @flow",
            )
        return project, found
    if len(flows) != 1:
        listed = ", ".join(flows)
        raise UsageError(
            f"{file} has {len(flows)} flows: {listed}" if flows else f"{file} has no flow",
            next=f"name one: fairlead run {file}:{next(iter(flows))}" if flows else "decorate a function with @flow",
        )
    return project, next(iter(flows.values()))


def load_step(file: str, name: str | None) -> Step[..., Any]:
    """Import a file and return a step of it, whatever its parameters are.

    Args:
        file: The path of a Python file.
        name: The step's name; it may be left out where the file has one step.

    Raises:
        UsageError: There is no such file or step, several steps, or the file can't be imported.
    """
    steps = _steps_of(import_project(find_project(Path(file))))
    if name is None and len(steps) == 1:
        return next(iter(steps.values()))
    if name is None or name not in steps:
        raise UsageError(
            f"{file} has no step {name!r}" if name else f"{file} has {len(steps)} steps, and none is named",
            next=nearest(name or "", steps) or "decorate a function with @step",
        )
    return steps[name]


def _steps_of(module: ModuleType) -> dict[str, Step[..., Any]]:
    return {each.__name__: each for each in vars(module).values() if _is_step_of(module, each)}


def _is_step_of(module: ModuleType, value: object) -> bool:
    """Say whether a value is a step that a module defines by a function."""
    return isinstance(value, Step) and value.function is not None and value.function.__module__ == module.__name__


def load_graph(file: str) -> tuple[Project, Traced]:
    """Read a graph from a spec file, and import the functions it names.

    Args:
        file: A YAML or JSON file; the modules it names lie beside it.

    Raises:
        UsageError: There is no such file, or it names a module or function that does not exist.
        SpecError: It is no valid graph; every fault is named.
    """
    path = Path(file)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}", why=error.strerror or str(error)) from error
    graph = documents.convert(documents.parse(text, source=file), graphs.Graph, source=file)
    faults = [*graphs.graph_faults(graph), *_constant_faults(graph)]
    named = [step for step in graph.steps.values() if isinstance(step, FunctionStep | DriverStep)]
    if not named and not faults:
        faults.append(Fault("steps", "names no function"))
    if faults:
        raise SpecError(file, faults)
    module = named[0].function.partition(":")[0]
    project = find_project(path.parent / f"{module.replace('.', '/')}.py")
    import_project(project)
    functions = {
        key: find_function(step, import_module)
        for key, step in graph.steps.items()
        if isinstance(step, FunctionStep | DriverStep)
    }
    return project, Traced(graph, {}, functions)


def _constant_faults(graph: graphs.Graph) -> Iterator[Fault]:
    for number, node in enumerate(graph.nodes):
        for name, binding in node.inputs.items():
            if isinstance(binding, graphs.Constant):
                why = "a constant is a value that stands in no spec; write it as a value, or have a step return it"
                yield Fault(f"nodes[{number}].inputs.{name}", why)


def run_flow(flow: Flow[..., Any], parameters: Mapping[str, Any], options: Options | None = None) -> Run:
    """Run a flow object here, and return the finished run."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        run: Run = import_module(_NOTEBOOK).run_in_cell(shell, flow, parameters, options or Options())
        return run
    project, flow = locate(flow)
    return launch(project, flow, parameters, options or Options(), Silent())


def locate(flow: Flow[..., Any]) -> tuple[Project, Flow[..., Any]]:
    """Return a flow's project, and the flow as its module is imported by workers."""
    module = sys.modules[flow.function.__module__]
    file = getattr(module, "__file__", None)
    if file is None:
        raise UsageError(f"flow {flow.name!r} is in no file", next="write it in a file, or in a notebook cell")
    return load_flow(file, flow.name) if flow.function.__module__ == "__main__" else (find_project(Path(file)), flow)


def launch(
    project: Project, flow: Flow[..., Any], parameters: Mapping[str, Any], options: Options, observer: Observer
) -> Run:
    """Trace a flow, check that it can run, and run it.

    Raises:
        UsageError, SpecError: It can't run; nothing was recorded.
        StoreError: The store can't be used.
    """
    return launch_traced(project, flow.trace(parameters), options, observer)


def launch_traced(project: Project, traced: Traced, options: Options, observer: Observer) -> Run:
    """Check that a traced flow can run, and run it. Raises as `launch` does."""
    if options.on != LOCAL:
        from fairlead.runs import clusters  # lazy: urllib3, 30 ms; only for runs on a cluster

        return clusters.launch(project, traced, options, observer)
    traced = traced._replace(graph=placed(traced.graph, options.targets))
    store = open_store(options.store)
    engine = _engine(store, options)
    _check(engine, traced.graph)
    run, created = new_run()
    claim = _claim(store, run)
    spec = specify(store, project, traced, options, run=run, created=created)
    store.backend.create(spec_key(run), encode(spec))
    return _drive(store, engine, spec, observer, claim, resume=False)


def _check(engine: LocalEngine, graph: graphs.Graph) -> None:
    """Refuse what can't run on this machine."""
    faults = list(engine.faults(graph))
    if faults:
        raise SpecError(
            f"flow {graph.flow!r}",
            faults,
            verdict="can't run here",
            next="ask for less with step.options(…), or run it all the same on what there is: --relax",
        )


def resume_flow(flow: Flow[..., Any], run: str, parameters: Mapping[str, Any]) -> Run:
    """Go on with a run of a flow object here, with its code as it is now, and return the finished run."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    run = find_run(open_store().backend, run)
    if shell is not None:
        resumed: Run = import_module(_NOTEBOOK).resume_in_cell(shell, flow, run, parameters)
        return resumed
    project, flow = locate(flow)
    return resume(run, Options(), Silent(), current=lambda spec: (project, traced_again(flow, spec, parameters)))


def resume(
    run: str,
    options: Options,
    observer: Observer,
    *,
    current: Callable[[RunSpec], tuple[Project, Traced]] | None = None,
) -> Run:
    """Go on with a run that has not succeeded; what has succeeded in it is not executed again.

    Args:
        run: The run's id.
        options: How it is to be driven.
        observer: Is told what happens.
        current: Traces the run's flow with other code than was recorded: a step whose cache key changed runs again.

    Raises:
        NotFoundError: There is no such run.
        ClaimedError: Somebody drives it.
    """
    if options.on != LOCAL:
        from fairlead.runs import clusters  # lazy: urllib3, 30 ms; only for runs on a cluster

        return clusters.resume(run, options, observer, current=current)
    store = open_store(options.store)
    spec = _spec_of(store, run)
    engine = _engine(store, options)
    if current is None and (spec.host != claims.host_name() or spec.context != LOCAL):
        _check(engine, remaining(store.backend, spec))  # it was begun where there may be more
    claim = _claim(store, run)
    if current is None:
        return _drive(store, engine, spec, observer, claim, resume=True)
    try:
        fresh = revised(store, spec, options, *current(spec))
        store.backend.create(spec_key(run, fresh.revision), encode(fresh))
    except BaseException:  # this process may live on, and must not hold the run
        _release_if_possible(store.backend, run, claim)
        raise
    return _drive(store, engine, fresh, observer, claim, resume=True, before=spec)


def _spec_of(store: Store, run: str) -> RunSpec:
    """Return the spec of a run that is to go on here; one that is not known may be in the store of a context."""
    try:
        return read_spec(store.backend, run)
    except NotFoundError as error:
        stores = {contexts.find(each).store for each in contexts.names()} - {store.url}
        if stores:
            error.next = "a context's runs are in its store: " + "   or ".join(
                f"FAIRLEAD_STORE={each} fairlead resume {run} --on local" for each in sorted(stores)
            )
        raise


def rerun(run: str, options: Options, observer: Observer) -> Run:
    """Run again what a run did, with its recorded code, as a new run."""
    if options.on != LOCAL:
        from fairlead.runs import clusters  # lazy: urllib3, 30 ms; only for runs on a cluster

        return clusters.rerun(run, options, observer)
    store = open_store(options.store)
    old = read_spec(store.backend, run)
    new, created = new_run()
    claim = _claim(store, new)
    spec = repeated(old, new, created, options)
    store.backend.create(spec_key(spec.run), encode(spec))
    return _drive(store, _engine(store, options), spec, observer, claim, resume=False)


def traced_from_file(spec: RunSpec) -> tuple[Project, Traced]:
    """Trace a run's flow from the project's files as they are now.

    Raises:
        UsageError: There is no such file any more, or the flow takes the run's parameters no longer.
    """
    if spec.code is None:
        raise UsageError(f"run {spec.run} has no code of its own", next=f"fairlead resume {spec.run}")
    file = Path(spec.code.file)
    if not file.exists():
        cells = f"; or, if it was a notebook's: in the notebook, {spec.graph.flow}.resume({spec.run!r})"
        raise UsageError(
            f"run {spec.run} can't go on with the code as it is now",
            where=str(file),
            why="there is no such file: the code was in the cells of a notebook, or has been moved",
            next=f"go on with the recorded code: fairlead resume {spec.run}{cells}",
        )
    project, flow = load_flow(str(file), spec.graph.flow)
    return project, traced_again(flow, spec, {})


def traced_again(flow: Flow[..., Any], spec: RunSpec, parameters: Mapping[str, Any]) -> Traced:
    """Trace a flow with the parameters of a run; what runs its sweeps stays what it was."""
    traced = flow.trace(parameters_of(flow, spec, parameters))
    return traced._replace(graph=placed(traced.graph, asked_of(spec.graph)))


def parameters_of(flow: Flow[..., Any], spec: RunSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run, and in their place those that are given.

    Raises:
        UsageError: The flow takes them no longer, or it is another one.
    """
    if flow.name != spec.graph.flow:
        raise UsageError(f"run {spec.run} is of flow {spec.graph.flow!r}, not {flow.name!r}", next="fairlead ps -a")
    try:
        return {**revived(flow.signature, spec.graph.parameters), **given}
    except ValueError as error:
        raise UsageError(
            f"run {spec.run} can't go on with the code as it is now",
            why=f"a parameter no longer takes what the run was given: {error}",
            next=f"go on with the recorded code: fairlead resume {spec.run}",
        ) from error


def _engine(store: Store, options: Options) -> LocalEngine:
    configured = settings()["parallel"].value
    slots = options.parallel or (int(configured) if configured else None)
    return LocalEngine(store, slots=slots, relaxed=options.relaxed, inline=options.inline, volumes=home() / "volumes")


def _claim(store: Store, run: str) -> Claim:
    """Claim a run before its first value is stored: what a living run stores or uses is not collected."""
    return claims.take_claim(store.backend, run, now=time.time())


def _local_package(store: Store, spec: RunSpec) -> ProjectCode:
    """Have the run's code package as a file on this machine: a template must not open a store."""
    assert spec.code is not None and spec.code.package is not None
    path = store.host / "packages" / spec.code.package.digest
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = store.backend.get(object_key(spec.code.package.digest))
        unpack(data)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
    return ProjectCode(file=spec.code.file, package=str(path))


def _drive(
    store: Store,
    engine: LocalEngine,
    spec: RunSpec,
    observer: Observer,
    claim: Claim,
    *,
    resume: bool,
    before: RunSpec | None = None,
) -> Run:
    """Drive a run under a claim, and write down how it ended.

    With `resume` the run has been driven before; `before` is the spec it had then, where that is another one.
    """
    backend, run, flow = store.backend, spec.run, spec.graph.flow
    note_transition(backend, run, flow, "running", now=utc_now())
    keys = None if before is None else settled_keys(backend, before)
    is_kept = store.values.exists if resume else None
    progress = read_progress(backend, spec, resume=resume, hold=keys is not None, is_kept=is_kept)
    try:
        status = engine.drive(
            spec,
            progress,
            observer,
            claim=claim,
            code=_local_package(store, spec),
            settled=keys or {},
            cancels_before=cancel_requests(backend, run) if resume else 0,
        )
        compact(backend, run, claim, progress.records, keep=() if status == "succeeded" else RESUMED)
        note_transition(backend, run, flow, status, now=utc_now())
        claims.release(backend, run, claim)
    except ClaimedError:
        raise
    except (FairleadError, OSError) as error:
        _release_if_possible(backend, run, claim)
        return Run(store, run, _failed_outside(spec, progress, error))
    except BaseException:  # this process may live on, in a notebook for instance, and must not hold the run
        _release_if_possible(backend, run, claim)
        raise
    return Run(store, run, report_of(backend, spec, progress_of(backend, spec, progress.records)))


def _release_if_possible(backend: Backend, run: str, claim: Claim) -> None:
    with suppress(StoreError):
        claims.release(backend, run, claim)


def _failed_outside(spec: RunSpec, progress: Progress, error: FairleadError | OSError) -> RunReport:
    """Report a run that the store or the machine failed; what was recorded before is there, and it can be resumed."""
    what = error.what if isinstance(error, FairleadError) else f"the machine refused: {error}"
    why = f" ({error.why})" if isinstance(error, FairleadError) and error.why else ""
    failed = report(spec, progress, status="failed")
    return msgspec.structs.replace(failed, reason=f"{what}{why}; when that is mended: fairlead resume {spec.run}")
