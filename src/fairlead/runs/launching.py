"""Launching a run: import, trace, check, write the spec, claim, drive; and resuming one."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from fairlead.authoring.flows import Flow
from fairlead.authoring.tracing import Traced
from fairlead.engines.contract import Observer
from fairlead.engines.local.engine import LocalEngine
from fairlead.errors import NotFoundError, SpecError, UsageError, nearest
from fairlead.naming import digest_bytes, new_run_id, utc_now
from fairlead.packaging.loading import import_project
from fairlead.packaging.package import pack, unpack
from fairlead.packaging.project import Project, find_project
from fairlead.packaging.sources import import_closure, source_parts
from fairlead.runs.handles import Run
from fairlead.runs.settings import open_store, settings
from fairlead.specs import graphs
from fairlead.specs.reports import RunReport
from fairlead.specs.steps import SweepStep
from fairlead.specs.values import Ref
from fairlead.store import claims
from fairlead.store.catalog import note_transition
from fairlead.store.history import compact, read_observations, read_progress, read_spec
from fairlead.store.layout import object_key, spec_key
from fairlead.store.opened import Store
from fairlead.store.progress import Progress
from fairlead.store.records import Code, RunSpec, encode
from fairlead.runs.reporting import read_report
from fairlead.worker.running import save_items
from fairlead.worker.tasks import ProjectCode


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be driven.

    Attributes:
        parallel: How many steps run at once at most.
        relaxed: Whether steps may run that ask for more than the machine has.
        use_cache: Whether results of earlier runs are used.
        inline: Whether steps run in this very process, for a debugger.
        labels: Labels of the run.
        on: The context to run in.
        store: The store's URL, where it is not the settings' one.
    """

    parallel: int | None = None
    relaxed: bool = False
    use_cache: bool = True
    inline: bool = False
    labels: dict[str, str] = {}
    on: str = "local"
    store: str | None = None


class Silent:
    """An observer that tells nobody anything."""

    def started(self, *_: Any) -> None:
        """Ignore it."""

    changed = progressed = logged = noted = started


def load_flow(file: str, name: str | None) -> tuple[Project, Flow[..., Any]]:
    """Import a file and return its flow.

    Args:
        file: The path of a Python file.
        name: The flow's name; it may be left out where the file has one flow.

    Raises:
        UsageError: There is no such file or flow, several flows, or the file can't be imported.
    """
    project = find_project(Path(file))
    module = import_project(project)
    flows = {each.name: each for each in vars(module).values() if isinstance(each, Flow) and each.__module__ == module.__name__}
    by_function = {each.function.__name__: each for each in flows.values()}
    if name is not None:
        found = flows.get(name) or by_function.get(name)
        if found is None:
            raise UsageError(f"{file} has no flow {name!r}", next=nearest(name, flows) or "decorate a function with @flow")
        return project, found
    if len(flows) != 1:
        listed = ", ".join(flows)
        raise UsageError(
            f"{file} has {len(flows)} flows: {listed}" if flows else f"{file} has no flow",
            next=f"name one: fairlead run {file}:{next(iter(flows))}" if flows else "decorate a function with @flow",
        )
    return project, next(iter(flows.values()))


def run_flow(flow: Flow[..., Any], parameters: Mapping[str, Any], options: Options | None = None) -> Run:
    """Run a flow object here, and return the finished run."""
    module = sys.modules[flow.function.__module__]
    file = getattr(module, "__file__", None)
    if file is None:
        raise UsageError(f"flow {flow.name!r} is in no file", next="write it in a file, or in a notebook cell")
    if flow.function.__module__ == "__main__":
        project, flow = load_flow(file, flow.name)
    else:
        project = find_project(Path(file))
    return launch(project, flow, parameters, options or Options(), Silent())


def launch(
    project: Project, flow: Flow[..., Any], parameters: Mapping[str, Any], options: Options, observer: Observer
) -> Run:
    """Trace a flow, check that it can run, and run it.

    Raises:
        UsageError, SpecError: It can't run; nothing was recorded.
        StoreError: The store can't be used.
    """
    traced = flow.trace(parameters)
    store = open_store(options.store)
    engine = _engine(store, options)
    faults = list(engine.faults(traced.graph))
    if faults:
        raise SpecError(
            f"flow {flow.name!r} can't run here",
            faults,
            next="ask for less with step.options(…), or run it all the same on what there is: --relax",
        )
    spec = _submit(store, project, traced, options)
    return _drive(store, engine, spec, observer, resume=False)


def resume(run: str, options: Options, observer: Observer, *, with_current_code: bool = False) -> Run:
    """Go on with a run that has not succeeded; what has succeeded in it is not executed again.

    Raises:
        NotFoundError: There is no such run.
        ClaimedError: Somebody drives it.
    """
    store = open_store(options.store)
    spec = read_spec(store.backend, run)
    if with_current_code:
        raise UsageError("not yet")
    return _drive(store, _engine(store, options), spec, observer, resume=True)


def _engine(store: Store, options: Options) -> LocalEngine:
    if options.on != "local":
        raise UsageError(
            f"there is no context {options.on!r}", why="this installation knows the context 'local' only", next="leave --on away"
        )
    configured = settings()["parallel"].value
    slots = options.parallel or (int(configured) if configured else None)
    return LocalEngine(store, slots=slots, relaxed=options.relaxed)


def _submit(store: Store, project: Project, traced: Traced, options: Options) -> RunSpec:
    """Write everything that a run is, values before the spec that refers to them."""
    mapped = _mapped_constants(traced.graph)
    constants = {name: store.values.save(value) for name, value in traced.constants.items()}
    items = {
        name: save_items(store.values, store.backend, iter(value))
        for name, value in traced.constants.items()
        if name in mapped
    }
    now = utc_now()
    spec = RunSpec(
        run=new_run_id(now),
        created=now.timestamp(),
        graph=traced.graph,
        code=Code(file=str(project.file), module=project.module, package=_save_package(store, project)),
        constants=constants,
        items=items,
        sources=_sources(project, traced),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        labels=options.labels,
        use_cache=options.use_cache,
        user=_user(),
        host=claims.host_name(),
    )
    store.backend.create(spec_key(spec.run), encode(spec))
    return spec


def _sources(project: Project, traced: Traced) -> dict[str, dict[str, str]]:
    """Return the source parts of each definition; a sweep's are those of its trial."""
    found = {key: source_parts(function, project) for key, function in traced.functions.items()}
    for key, step in traced.graph.steps.items():
        if isinstance(step, SweepStep):
            found[key] = found[step.trial]
    return found


def _mapped_constants(graph: graphs.Graph) -> set[str]:
    return {
        binding.name
        for node in graph.nodes
        for name in node.each
        if isinstance(binding := node.inputs[name], graphs.Constant)
    }


def _save_package(store: Store, project: Project) -> Ref:
    data = pack(import_closure(project))
    digest = digest_bytes(data)
    store.backend.create(object_key(digest), data)
    return Ref(digest=digest, format="package", size_bytes=len(data))


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


def _drive(store: Store, engine: LocalEngine, spec: RunSpec, observer: Observer, *, resume: bool) -> Run:
    claim = claims.take_claim(store.backend, spec.run, now=time.time())
    note_transition(store.backend, spec.run, spec.graph.flow, "running", now=utc_now())
    progress = read_progress(store.backend, spec, resume=True) if resume else _fresh(store, spec)
    status = engine.drive(spec, progress, observer, claim=claim, code=_local_package(store, spec))
    compact(store.backend, spec.run, claim, read_observations(store.backend, spec.run))
    note_transition(store.backend, spec.run, spec.graph.flow, status, now=utc_now())
    claims.release(store.backend, spec.run, claim)
    return Run(store, spec.run, read_report(store.backend, spec.run))


def _fresh(store: Store, spec: RunSpec) -> Progress:
    from fairlead.store.history import count_items

    return Progress(spec.graph, lambda ref: count_items(store.backend, ref), constants=spec.items)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
