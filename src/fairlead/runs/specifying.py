"""A run's spec: the graph, its code and the values it begins with, stored before anything starts."""

from __future__ import annotations

import sys

import msgspec

from fairlead.authoring.tracing import Traced
from fairlead.naming import RunId, new_run_id, utc_now
from fairlead.packaging.imports import import_closure
from fairlead.packaging.package import pack
from fairlead.packaging.project import Project
from fairlead.packaging.sources import source_parts
from fairlead.packaging.travelling import as_travelling
from fairlead.runs.options import Options
from fairlead.specs import graphs
from fairlead.specs.contexts import LOCAL
from fairlead.specs.requirements import LOCK
from fairlead.specs.steps import SweepStep
from fairlead.store import claims
from fairlead.store.layout import object_key
from fairlead.store.opened import Store
from fairlead.store.records import Code, RunSpec
from fairlead.worker.running import save_items


def new_run() -> tuple[RunId, float]:
    """Return a new run's id, and the moment that it was made, in seconds since 1970."""
    now = utc_now()
    return new_run_id(now), now.timestamp()


def specify(
    store: Store,
    project: Project,
    traced: Traced,
    options: Options,
    *,
    run: RunId,
    created: float,
    package: bytes | None = None,
) -> RunSpec:
    """Store the values that a run begins with, and return its spec, to be written after them.

    Args:
        store: Where they are stored.
        project: The flow's project.
        traced: The flow.
        options: How the run is to be driven.
        run: Its id.
        created: When it was made, in seconds since 1970.
        package: The code package; None for the modules that the flow's file imports, enough on this machine.
    """
    package = pack(import_closure(project)) if package is None else package
    mapped = _mapped_constants(traced.graph)
    for text in traced.locks.values():
        store.values.keep(text, LOCK)
    return RunSpec(
        run=run,
        created=created,
        graph=traced.graph,
        code=Code(file=str(project.file), module=project.module, package=store.values.keep(package, "package")),
        constants={name: store.values.save(value) for name, value in traced.constants.items()},
        items={
            name: save_items(store.values, iter(value)) for name, value in traced.constants.items() if name in mapped
        },
        sources=_sources(project, traced),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        labels=options.labels,
        use_cache=options.use_cache,
        user=claims.user_name(),
        host=claims.host_name(),
        context=options.on,
    )


def repeated(old: RunSpec, run: RunId, created: float, options: Options) -> RunSpec:
    """Return the spec of a new run that does again what another did."""
    return msgspec.structs.replace(
        old,
        run=run,
        created=created,
        use_cache=options.use_cache,
        user=claims.user_name(),
        host=claims.host_name(),
        context=options.on,
        origin=old.run,
        revision=0,
    )


def revised(
    store: Store, spec: RunSpec, options: Options, project: Project, traced: Traced, package: bytes | None = None
) -> RunSpec:
    """Return what a run is from now on, with other code; see `specify`."""
    fresh = specify(store, project, traced, options, run=RunId(spec.run), created=spec.created, package=package)
    return msgspec.structs.replace(
        fresh, revision=spec.revision + 1, labels=spec.labels, use_cache=spec.use_cache, origin=spec.origin
    )


def travelling(store: Store, spec: RunSpec) -> RunSpec:
    """Return the spec of a run with a code package that another machine can open.

    That of a run which was launched on this machine is made of what its flow's file imports, and no more is known.
    """
    code = spec.code
    if code is None or code.package is None or spec.context != LOCAL:
        return spec
    data = store.backend.get(object_key(code.package.digest))
    package = store.values.keep(as_travelling(data, code.file, code.module), "package")
    return msgspec.structs.replace(spec, code=msgspec.structs.replace(code, package=package))


def moved(store: Store, spec: RunSpec, on: str) -> RunSpec:
    """Return what a run is from now on where it goes on elsewhere: the same one, where nothing has to change."""
    found = travelling(store, spec)
    return spec if found == spec else msgspec.structs.replace(found, revision=spec.revision + 1, context=on)


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
