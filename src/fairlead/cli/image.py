"""Build an image with the packages of a lock in a cluster, and push it.

    fairlead image build LOCK --push NAME --on CONTEXT [--base IMAGE] [--push-secret SECRET] [--namespace NAME]
    fairlead image build LOCK --push NAME --on CONTEXT --render [-o yaml|json]

The base is the context's image, unless another is named. The build is a Job of BuildKit's without root; the namespace
must admit it, which one that enforces Pod Security's baseline does not. Name the result with image= in the step.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fairlead.cli.output import print_document
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("action", choices=("build",), help="what to do")
    parser.add_argument("file", type=Path, metavar="LOCK", help="a file of pinned requirements")
    parser.add_argument("--push", metavar="NAME", required=True, help="the name of the image that is made")
    parser.add_argument("--on", metavar="CONTEXT", help="in which cluster; the chosen context where it is not given")
    parser.add_argument("--base", metavar="IMAGE", default="", help="what it is made from; the context's image")
    parser.add_argument(
        "--push-secret",
        metavar="SECRET",
        default="",
        help="the Secret of the registry, a docker config",
    )
    parser.add_argument("--namespace", metavar="NAME", default="", help="where it is built; the context's namespace")
    parser.add_argument("--builder", metavar="IMAGE", default="", help="the image of BuildKit without root")
    parser.add_argument("--render", action="store_true", help="print what would be created, and create nothing")
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="the form of what is printed")


def run(arguments: argparse.Namespace) -> int:
    """Create the build, or print it."""
    from fairlead.runs import contexts, images
    from fairlead.runs.settings import chosen_context

    on = chosen_context()
    if on == LOCAL:
        raise UsageError(
            "fairlead image build needs a cluster",
            why="no context is chosen",
            next=f"fairlead image build {arguments.file} --push {arguments.push} --on CONTEXT",
        )
    context = contexts.find(on)
    given = {name: getattr(arguments, name) for name in ("base", "push", "push_secret", "builder")}
    build = images.read_build(arguments.file, context, **given)
    if arguments.render:
        for position, manifest in enumerate(images.render(build, context, arguments.namespace)):
            if position and arguments.output == "yaml":
                print("---")
            print_document(manifest, arguments.output)
        return 0
    meta = images.submit(build, on, arguments.namespace)["metadata"]
    print(f"building {arguments.push}: kubectl -n {meta['namespace']} logs -f job/{meta['name']}")
    return 0
