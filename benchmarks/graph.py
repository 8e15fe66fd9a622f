"""How long tracing and validating a graph of n steps takes. Prints one JSON document.

python benchmarks/graph.py [--sizes 10000 100000] [--repetitions 5]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from fairlead import flow, step
from measuring import summary


@step
def work(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


@step
def join(xs: list[int]) -> int:
    """Add many numbers."""
    return sum(xs)


@flow
def layered(n: int = 10_000) -> int:
    """Half of the steps stand in a chain, half in blocks of fifty that fan out and in."""
    last = 0
    for _ in range(n // 2):
        last = work(last, 1)
    for _ in range(n // 102):
        last = join([work(last, each) for each in range(50)])
    return last


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    figures = {}
    for size in options.sizes:
        walls = []
        for _ in range(options.repetitions):
            started = time.perf_counter()
            nodes = len(layered.trace({"n": size}).graph.nodes)
            walls.append(time.perf_counter() - started)
        figures[str(size)] = {"nodes": nodes, "wall_s": summary(walls)}
    print(json.dumps({"benchmark": "graph", "sizes": figures}, indent=2))


if __name__ == "__main__":
    main()
