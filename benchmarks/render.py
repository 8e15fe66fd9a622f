"""How long it takes from a flow's function to what a cluster is sent, and how large that is. Prints one JSON document.

    python benchmarks/render.py [--sizes 100 1000 10000] [--repetitions 5]
    python benchmarks/render.py --peers --only "fairlead json,kfp yaml"

The graph is that of `graph.py`: half of it a chain, half blocks of fifty that fan out and in. Every figure is taken in
a process of its own, without its imports: tracing, validating, compiling, writing. JSON is what Fairlead and Hera send;
YAML is what all of them print, and all that Kubeflow Pipelines has. The systems take turns.

An object above 256 KiB is refused at the end of rendering where it can't be cut: it is timed all the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import environments
from measuring import summary

HERE = Path(__file__).resolve()
FLOWS = HERE.parent / "flows"


class Way(NamedTuple):
    """One system and one form.

    Attributes:
        peer: Whose environment it runs in; empty for this one.
        command: Its script and arguments, to which the size is added.
        largest: The largest size that ends in minutes.
    """

    peer: str
    command: list[str]
    largest: int = sys.maxsize


WAYS = {
    "fairlead json": Way("", [str(HERE), "--render", "json"]),
    "fairlead yaml": Way("", [str(HERE), "--render", "yaml"]),
    "hera json": Way("hera", [str(FLOWS / "hera_render.py"), "json"]),
    "hera yaml": Way("hera", [str(FLOWS / "hera_render.py"), "yaml"]),
    "kfp yaml": Way("kfp", ["-W", "ignore", str(FLOWS / "kfp_render.py")], largest=1000),
}


def render(form: str, size: int) -> dict[str, float]:
    """Compile the graph here and say what it cost."""
    from fairlead.specs.contexts import Context, Submission
    from fairlead.specs.documents import to_yaml
    from fairlead.targets import naming, workflow
    from fairlead.targets.orders import Order
    from graph import layered

    context = Context(name="c", store="s3://bucket/prefix", image="python:3.12", worker_image="fairlead")
    place = Submission(run="00000000-000000-00000", flow="layered", namespace="ml", context=context)
    workflow.BYTES_MAX = sys.maxsize
    began, cpu = time.perf_counter(), time.process_time()
    graph = layered.trace({"n": size}).graph
    manifests = workflow.render(Order(place, graph, dict.fromkeys(range(len(graph.nodes)))))
    written = [naming.as_json(each) if form == "json" else to_yaml(each).encode() for each in manifests]
    return {
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "bytes": sum(map(len, written)),
        "largest_bytes": max(map(len, written)),
        "objects": len(written),
    }


def measure(names: list[str], size: int, repetitions: int) -> dict[str, Any]:
    """Measure every way as often, in turns."""
    ways = {name: WAYS[name] for name in names if WAYS[name].largest >= size}
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for repetition in range(repetitions):
        for name, way in [*ways.items()][:: 1 if repetition % 2 else -1]:
            python = str(environments.interpreter(way.peer)) if way.peer else sys.executable
            print(f"{size}, {repetition + 1} of {repetitions}: {name}", file=sys.stderr)
            done = subprocess.run([python, *way.command, str(size)], check=True, stdout=subprocess.PIPE)
            costs[name].append(json.loads(done.stdout))
    return {
        name: {figure: summary(each[figure] for each in found) for figure in found[0]} for name, found in costs.items()
    }


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="measure the peers too")
    parser.add_argument("--only", metavar="WAYS", help="only these, separated by commas")
    parser.add_argument("--render", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.render:
        print(json.dumps(render(given.render[0], int(given.render[1]))))
        return
    names = given.only.split(",") if given.only else [name for name, way in WAYS.items() if given.peers or not way.peer]
    document = {
        "benchmark": "render",
        "sizes": {size: measure(names, size, given.repetitions) for size in given.sizes},
        "versions": {
            peer: environments.version(environments.interpreter(peer), peer)
            for peer in sorted({WAYS[name].peer for name in names} - {""})
        },
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
