"""How long rendering a graph for a cluster takes, and how large the object is. Prints one JSON document.

python benchmarks/render.py [--sizes 100 1000 10000] [--repetitions 5]

An object above 256 KiB is refused at the end of rendering: it is timed all the same, and its size is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from fairlead.specs.contexts import Context, Submission
from fairlead.targets import naming, workflow
from fairlead.targets.orders import Order
from graph import layered
from measuring import summary

PLACE = Submission(
    run="00000000-000000-00000",
    flow="layered",
    namespace="ml",
    context=Context(name="c", store="s3://bucket/prefix", image="python:3.12", worker_image="fairlead"),
)


def measure(size: int, repetitions: int) -> dict[str, Any]:
    """Trace a graph once, and render it several times."""
    graph = layered.trace({"n": size}).graph
    order = Order(PLACE, graph, dict.fromkeys(range(len(graph.nodes))))
    workflow.BYTES_MAX = sys.maxsize
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        (manifest,) = workflow.render(order)
        times.append(time.perf_counter() - begun)
    return {"nodes": len(graph.nodes), "render_s": summary(times), "bytes": len(naming.as_json(manifest))}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    print(json.dumps([measure(size, given.repetitions) for size in given.sizes], indent=2))


if __name__ == "__main__":
    main()
