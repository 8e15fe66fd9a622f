"""Pipelines: published flows as packages that are uploaded to Kubeflow Pipelines, and run there."""

from __future__ import annotations

from fairlead.errors import UsageError
from fairlead.runs.rendering import check, namespace_of
from fairlead.runs.scheduling import Declared, launch_of
from fairlead.specs.graphs import Graph
from fairlead.specs.schedules import schedule_name_fault
from fairlead.store.publishing import Publication
from fairlead.targets import pipeline_spec


def package(publication: Publication, graph: Graph, on: str, declared: Declared) -> pipeline_spec.Package:
    """Compile a published flow to a package for a context; neither cluster nor store is asked.

    Args:
        publication: The flow, as it is or will be published.
        graph: Its graph.
        on: The name of the context.
        declared: The name of the pipeline, the labels of its runs, and whether these use results of earlier ones.

    Raises:
        UsageError: There is no such context, or nothing can have the name.
        SpecError: The flow can't run there, or a pipeline can't say all of it.
    """
    if fault := schedule_name_fault(declared.name):
        raise UsageError(f"the name of a pipeline {fault}", next="give one: --name NAME")
    context = check(graph, on, declared.labels)
    return pipeline_spec.render(graph, launch_of(publication, context, declared), namespace_of(context))
