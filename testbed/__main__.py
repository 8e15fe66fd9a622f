"""``python -m testbed VERB``: the testbed's commands."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys

from . import cluster, operators, processes, simulation, storage, tekton, training_operator, worker
from .faults import TestbedError
from .state import State, current

_BESIDE = {
    "dask-operator": operators.dask,
    "kuberay": operators.kuberay,
    "mpi-operator": operators.mpi,
    "spark-operator": operators.spark,
    "storage": storage.provided,
    "tekton": tekton.operated,
    "training-operator": training_operator.operated,
}
"""What can be run beside a testbed."""


def main(arguments: list[str]) -> int:
    """Run one command; 1 where it failed, or where ``status`` finds that the testbed is not well."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description="A real Kubernetes of one node.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("up", help="start it, or find that it runs")
    down = verbs.add_parser("down", help="stop it, and take back every change of the machine")
    down.add_argument("--delete", action="store_true", help="remove the state folder too, with the store's content")
    verbs.add_parser("status", help="what runs, and what is missing")
    logs = verbs.add_parser("logs", help="what a process wrote; without a name the last lines of each")
    logs.add_argument("component", nargs="?")
    verbs.add_parser("context", help="the command that tells Fairlead about it")
    build = verbs.add_parser("build", help="build the named components, or all that a testbed needs")
    build.add_argument("component", nargs="*")
    simulate = verbs.add_parser("simulate", help="add simulated nodes to it until this process is ended")
    simulate.add_argument("--nodes", type=int, default=1)
    begin = verbs.add_parser("start", help="run a component beside it until this process is ended")
    begin.add_argument("component", choices=sorted(_BESIDE))
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen)
    except TestbedError as refused:
        print(refused, file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace) -> int:
    healthy = True
    match chosen.verb:
        case "up":
            print(cluster.up())
            for name, reason in cluster.absent(current()).items():
                print(f"absent: {name}: {reason}")
        case "down":
            print(cluster.down(chosen.delete))
        case "status":
            healthy, lines = cluster.report(current())
            print(*lines, sep="\n")
        case "logs":
            for name, path in cluster.logs(current(), chosen.component):
                print(path.read_text("utf-8", "replace") if chosen.component else f"== {name}\n{processes.tail(path)}")
        case "context":
            line = cluster.context_line(current())
            worker.examples(), worker.worker()  # which the line names
            print(line)
        case "build":
            cluster.build(chosen.component)
        case "simulate":
            with (
                contextlib.suppress(KeyboardInterrupt),
                simulation.simulated(_up().kubeconfig, chosen.nodes) as running,
            ):
                _keep(json.dumps(running.placement))
        case "start":
            with contextlib.suppress(KeyboardInterrupt), _BESIDE[chosen.component](_up()) as kinds:
                _keep(" ".join(kinds))
    return 0 if healthy else 1


def _up() -> State:
    """Return the testbed that is up; from here on SIGTERM ends what runs beside it as Ctrl-C does."""

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    state = current()
    if cluster.running(state) is None:
        raise TestbedError("no testbed is up: make cluster")
    signal.signal(signal.SIGTERM, ended)
    return state


def _keep(line: str) -> None:
    """Print a line, and wait until somebody ends this process."""
    print(line, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
