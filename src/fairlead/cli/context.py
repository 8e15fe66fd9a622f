"""Add, list, choose, check or forget contexts: the clusters that runs can go to.

    fairlead context add NAME --store s3://BUCKET/PREFIX [--kubeconfig FILE] [--kube-context NAME] …
    fairlead context ls
    fairlead context use NAME
    fairlead context check NAME [--pod]
    fairlead context rm NAME

A context names a kubeconfig, a Secret and files; it copies no credentials. 'local' is this machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from fairlead.cli.labels import read_labels
from fairlead.cli.opening import read_targets
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError

_FIELDS = {
    "kubeconfig": "the kubeconfig; what KUBECONFIG says where it is not given",
    "kube-context": "the context in it; its current one where it is not given",
    "namespace": "where objects are created; the kubeconfig's where it is not given",
    "store": "the artifact store, as pods reach it: s3://, gs:// or az://",
    "store-secret": "the Secret whose keys are the store's environment variables, for pods",
    "store-env": "a file with the same variables, for this machine; its environment where it is not given",
    "pip-secret": "the Secret whose keys are pip's variables, PIP_INDEX_URL and the like, where packages are installed",
    "service-account": "the ServiceAccount of steps",
    "driver-service-account": "the ServiceAccount of drivers of dynamic flows, sweeps and gangs",
    "image": "the image of steps that name none; it has Python",
    "worker-image": "the image that delivers Fairlead's worker",
    "delivery": "how: copy, by an init container, as without it, or volume, where the cluster has image volumes",
    "queue": "the Kueue LocalQueue of runs",
    "priority": "the priority class of runs",
    "gang-scheduler": "what places gangs whole where Kueue does not: 'volcano [QUEUE]' or 'coscheduling [NAME]'",
    "unschedulable": "of steps that can't be scheduled: warn, 'fail-after 10m' or fail-if-never-fits",
}
_METAVARS = {"delivery": "HOW", "gang-scheduler": "SCHEDULER", "unschedulable": "POLICY"}
UNREADY = 3
"""The exit code of a check that has found something that is not as it must be: the store or cluster refuses."""
_PATHS = ("kubeconfig", "store-env")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("action", choices=("add", "ls", "use", "check", "rm"), help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the context's name")
    for field, meaning in _FIELDS.items():
        parser.add_argument(
            f"--{field}", metavar=_METAVARS.get(field, field.rpartition("-")[2].upper()), help=f"add: {meaning}"
        )
    parser.add_argument("--user", type=int, metavar="UID", help="add: the user that steps run as")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="add: label what is created")
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="[RUNTIME=]NAME",
        help="add: what runs steps with ranks: job, jobset, …, or whole flows: workflow, pipelinerun; may be repeated; "
        "the first that is there without",
    )
    parser.add_argument(
        "--hardware",
        metavar="FILE",
        help="add: what hardware the cluster has, as YAML or JSON; as device plugins have it without",
    )
    parser.add_argument("--pod", action="store_true", help="check: open the store from a pod too")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from fairlead.runs import contexts

    if arguments.action == "ls":
        return _list(arguments.output)
    if arguments.name is None:
        raise UsageError(
            f"fairlead context {arguments.action} needs a name", next=f"fairlead context {arguments.action} NAME"
        )
    if arguments.action == "add":
        return _add(arguments)
    if arguments.action == "check":
        return _check(arguments)
    if arguments.action == "use":
        contexts.use(arguments.name)
        print(f"runs go to {arguments.name} unless they say otherwise")
    else:
        contexts.remove(arguments.name)
        print(f"forgot {arguments.name}; what was submitted with it stays where it is")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from fairlead.runs import contexts
    from fairlead.specs.contexts import Context

    if arguments.store is None:
        raise UsageError(
            "fairlead context add needs --store",
            why="pods and this machine meet in the artifact store",
            next=f"fairlead context add {arguments.name} --store s3://BUCKET/PREFIX",
        )
    given = {field.replace("-", "_"): getattr(arguments, field.replace("-", "_")) for field in _FIELDS}
    for field in _PATHS:
        value = given[field.replace("-", "_")]
        if value is not None:
            given[field.replace("-", "_")] = os.path.abspath(Path(value).expanduser())
    found = {name: value for name, value in {**given, "user": arguments.user}.items() if value is not None}
    if arguments.hardware is not None:
        found["hardware"] = contexts.read_hardware(arguments.hardware)
    targets = read_targets(arguments.target)
    contexts.add(Context(name=arguments.name, labels=read_labels(arguments.label), targets=targets, **found))
    print(f"added {arguments.name}: fairlead run FILE --on {arguments.name}")
    return 0


def _list(form: str) -> int:
    from fairlead.runs import contexts

    known = [contexts.find(name) for name in contexts.names()]
    if form != "table":
        print_document(known, form)
        return 0
    chosen = contexts.current()
    rows = [["local" + _star("local", chosen), "", "", "this machine"]]
    rows += [[each.name + _star(each.name, chosen), each.kube_context, each.namespace, each.store] for each in known]
    print_table(["context", "kube context", "namespace", "store"], rows)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from fairlead.runs.context_checking import check
    from fairlead.specs.documents import to_yaml

    report = check(arguments.name, pod=arguments.pod)
    if arguments.output != "table":
        print_document(report, arguments.output)
    else:
        rows = [[each.name, each.state, each.said] for each in report.checks]
        print_table(["what", "state", "found"], rows, whole_last=True)
        for each in report.checks:
            if each.state in ("failed", "optional") and each.next:
                print(f"next   {each.name}: {each.next}", file=sys.stderr)
        for role in report.roles:
            print(f"---\n{to_yaml(role).rstrip()}")
    return 0 if report.ready else UNREADY


def _star(name: str, chosen: str) -> str:
    return " *" if name == chosen else ""
