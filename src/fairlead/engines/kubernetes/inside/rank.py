"""One pod of a gang: ``python -m fairlead.engines.kubernetes.inside.rank --run … --task STEP.INDEX.ATTEMPT``.

Which node of the gang it is, a variable says that its target names; where the others are, a pattern of hosts. Where a
framework's cluster works for the step there is one rank, and its framework tells it where the others are.
"""

from __future__ import annotations

import argparse
import sys

from fairlead.engines.kubernetes.inside.elastic import is_elastic, run_agent
from fairlead.engines.kubernetes.inside.nodes import arrive, node_parser
from fairlead.engines.kubernetes.inside.ranks import outlast, record_deaths, run_ranks
from fairlead.errors import FairleadError


def main() -> int:
    """Run the ranks of this pod; returns the exit code."""
    parser = node_parser("fairlead-rank")
    parser.add_argument("--node-variable", default="")
    parser.add_argument("--last", action="store_true")
    given, _ = parser.parse_known_args()
    try:
        return _run(given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    node = arrive(given)
    if node is None:
        return 1
    if is_elastic(node.task):
        return run_agent(node.backend, node.task, node.number, given.work)
    deaths = run_ranks(node.backend, node.tasks, given.work)
    record_deaths(node.backend, node.tasks, deaths)
    if given.last and not any(deaths):
        outlast(node.backend, node.task, range(node.ranks[0].world_size))
    return int(any(deaths))


if __name__ == "__main__":
    sys.exit(main())
