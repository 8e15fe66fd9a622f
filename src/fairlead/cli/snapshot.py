"""Keep a picture of a run or a namespace in a file, by which `fairlead why` answers offline and after all is gone.

    fairlead snapshot -o bundle.tgz [RUN|KIND/NAME|POD] [-n NAMESPACE]

What the records of a run say; the objects of the namespace, nodes and queues, events, and the last lines of containers
that ended badly, and of gangs that run. Secrets and the values of environment variables are left out. docs/why.md has
the layout, which kubectl and tar can make too.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("subject", nargs="?", default="", metavar="RUN|KIND/NAME|POD", help="what it is taken of")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file: bundle.tgz")
    parser.add_argument("-n", "--namespace", default="", help="another namespace than the context's")


def run(arguments: argparse.Namespace) -> int:
    """Take the snapshot and write it."""
    from fairlead.runs.diagnosing import taken
    from fairlead.snapshots import bundles

    found = taken(arguments.subject, arguments.namespace)
    bundles.write(found, arguments.output)
    for each in found.meta.unread:
        print(f"not read: {each.what}: {each.why}")
    print(f"wrote {arguments.output}: {len(found.things)} objects, {len(found.events)} events,"
          f" {len(found.logs)} logs")  # fmt: skip
    return 0
