"""Print what a flow compiles to, without running it.

    fairlead render FILE[:FLOW] --on CONTEXT [--label KEY=VALUE] [-o yaml|json] [--NAME VALUE …]
    fairlead render FILE[:FLOW] --on CONTEXT --as PipelineRun …
    fairlead render FILE[:FLOW] --on CONTEXT --as WorkflowTemplate [--diff] …
    fairlead render FILE[:FLOW] --on CONTEXT --as CronWorkflow --cron '0 3 * * *' [--diff] …
    fairlead render FILE[:FLOW] --on CONTEXT --as PipelineSpec > PACKAGE.yaml
    fairlead render FILE:STEP --on CONTEXT --as RayCluster|DaskCluster [--name NAME] > CLUSTER.yaml
    fairlead render FILE[:FLOW] --spec [-o yaml|json] [--NAME VALUE …]

With a context: the objects that `fairlead run` would create there, whose run id and times are zeros. Nothing is
created, and the cluster need not be reachable: a run becomes what --target or the context says, else a Workflow.
With --as: a run as Tekton's PipelineRun, like --target pipelinerun; or what launches runs of the flow once it is
published, by itself with CronWorkflow, whose options are those of `fairlead schedule add`; PipelineSpec is the flow
itself, as a package that is uploaded to Kubeflow Pipelines; RayCluster and DaskCluster are the cluster that a step has
of its own, as one that stands, into which others are sent: runtimes.ray(cluster="NAME"). With --diff: how that differs
from what the cluster has; ends with 1 where it does. With --spec: the graph, which can be run in its turn: fairlead run
SPEC.yaml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.cli import schedule_options
from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.labels import read_labels
from fairlead.cli.opening import add_target_option, read_targets
from fairlead.cli.output import print_document
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

if TYPE_CHECKING:
    from fairlead.authoring.tracing import Traced
    from fairlead.packaging.project import Project
    from fairlead.targets.orders import Manifest

_CLUSTERS = ("RayCluster", "DaskCluster")
_VALUED = {"--on", "--as", "--label", "--output", "-o", "--target", *schedule_options.VALUED}
_SWITCHES = {"--spec", "--diff", "--help", "-h", *schedule_options.SWITCHES}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead render FILE[:FLOW] [--on CONTEXT | --spec] [--NAME VALUE …]"
    parser.add_argument(
        "file", metavar="FILE[:FLOW]", help="the Python file, and the flow where it has several, or a step of it"
    )
    parser.add_argument("--on", metavar="CONTEXT", help="for which cluster; the chosen context where it is not given")
    parser.add_argument(
        "--as",
        dest="kind",
        choices=(
            "Workflow",
            "PipelineRun",
            "WorkflowTemplate",
            "CronWorkflow",
            "PipelineSpec",
            "Experiment",
            *_CLUSTERS,
        ),
        help="as a run, as what launches runs, as that and its schedule, as a package for Kubeflow Pipelines, each "
        "sweep as Katib's, or a step's cluster as one that stands",
    )
    parser.add_argument("--diff", action="store_true", help="with --as: print how it differs from what the cluster has")
    parser.add_argument("--spec", action="store_true", help="print the graph as a spec")
    add_target_option(parser)
    schedule_options.add_schedule_options(parser)
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label the run; may be repeated"
    )
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="the form of the output")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``render`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="render")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the objects, or the spec."""
    from fairlead.runs.launching import load_flow
    from fairlead.runs.settings import chosen_context

    on = chosen_context()
    if not arguments.spec and on == LOCAL:
        raise UsageError(
            "fairlead render needs to be told what to print",
            why="no context is chosen, and on this machine a flow becomes no objects",
            next=f"fairlead render {arguments.file} --on CONTEXT   or   --spec",
        )
    if arguments.kind in _CLUSTERS:
        return _print_cluster(arguments, on)
    project, flow = load_flow(*split_target(arguments.file))
    traced = flow.trace(flow.read_flags(arguments.flags))
    if arguments.spec:
        print_document(traced.graph, arguments.output)
        return 0
    if arguments.kind not in (None, "Workflow", "PipelineRun", "Experiment"):
        return _print_launch(arguments, project, traced, on)
    if arguments.diff:
        raise _incomparable("a run differs from nothing that is there", "its objects have names of their own each time")
    from fairlead.runs.rendering import render, render_experiments  # lazy: urllib3, 30 ms; only for a cluster

    labels = read_labels(arguments.label)
    if arguments.kind == "Experiment":
        _print(
            render_experiments(traced.graph, on, labels, read_targets(arguments.target)),
            "for Katib 0.19",
            arguments.output,
        )
        return 0
    as_said = [f"flow={arguments.kind.lower()}"] if arguments.kind else []
    targets = read_targets([*arguments.target, *as_said])
    manifests, pods = render(traced.graph, on, labels, targets)
    _print(manifests, str(pods), arguments.output)
    return 0


def _print_cluster(arguments: argparse.Namespace, on: str) -> int:
    """Print the cluster of a step as one that stands."""
    from fairlead.runs.launching import load_step
    from fairlead.runs.rendering import render_cluster  # lazy: urllib3, 30 ms; only for a cluster

    if arguments.diff:
        raise UsageError("a cluster that stands is compared by who keeps it", next="kubectl diff -f CLUSTER.yaml")
    step = load_step(*split_target(arguments.file)).spec
    made = render_cluster(step, on, arguments.kind, arguments.name, read_labels(arguments.label))
    framework = step.runtime.__class__.__name__.lower()
    name = made["metadata"]["name"]
    _print([made], f"steps are sent into it by runtimes.{framework}(cluster={name!r})", arguments.output)
    return 0


def _print_launch(arguments: argparse.Namespace, project: Project, traced: Traced, on: str) -> int:
    """Print the objects that launch the flow, or how they differ from what is there."""
    from fairlead.runs import clusters, pipelines, scheduling
    from fairlead.runs.publishing import prepare

    name = arguments.name or scheduling.default_name(traced.graph.flow)
    schedule = schedule_options.read_schedule(arguments, name) if arguments.kind == "CronWorkflow" else None
    declared = scheduling.Declared(name, read_labels(arguments.label), not arguments.no_cache, schedule)
    publication = prepare(project, traced).publication
    if arguments.kind == "PipelineSpec":
        if arguments.diff:
            raise _incomparable("a package differs from nothing that is there", "a cluster has no object of its kind")
        manifests = list(pipelines.package(publication, traced.graph, on, declared))
    else:
        manifests = scheduling.declare(publication, traced.graph, on, declared)
    if arguments.diff:
        found = list(scheduling.differences(clusters.open_place(on), manifests))
        print("".join(found), end="")
        return int(bool(found))
    note = (
        f"launches {publication.flow}/{publication.digest[:12]}, once it is published: fairlead publish FILE --on {on}"
    )
    _print(manifests, note, arguments.output)
    return 0


def _incomparable(what: str, why: str) -> UsageError:
    return UsageError(what, why=why, next="fairlead diff RUN RUN   or compare what is published: --as WorkflowTemplate")


def _print(manifests: list[Manifest], note: str, form: str) -> None:
    print(f"# {note}", file=sys.stderr if form == "json" else sys.stdout)
    for position, manifest in enumerate(manifests):
        if position and form == "yaml":
            print("---")
        print_document(manifest, form)
