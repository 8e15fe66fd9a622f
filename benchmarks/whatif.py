"""How long a what-if takes, as a whole command, of many jobs on many nodes. Prints JSON.

    python benchmarks/whatif.py [--jobs 100000] [--nodes 5000] [--policy fgd] [--repetitions 3]

The jobs of a week, of one pod each, ask for parts of a GPU up to eight. `simulate` is the cluster as it is, where all
find room; `compare` is that and, beside it, a third of the nodes, where most of them wait for days.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from measuring import summary

SOURCE = Path(__file__).resolve().parents[1] / "src"
WEEK_S = 7 * 86400
MEAN_S = 30 * 3600
POOLS = 10


def write(folder: Path, nodes: int, jobs: int) -> None:
    """Write the tables of nodes and jobs, and the change."""
    with (folder / "nodes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("name", "cpu_milli", "memory_mib", "gpus", "model", "count"))
        for pool in range(POOLS):
            table.writerow((f"pool{pool}", 96_000, 786_432, 8, ("H100", "A100-80GB")[pool % 2], nodes // POOLS))
    draw = Random(1)
    with (folder / "jobs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("name", "arrival_s", "duration_s", "cpu_milli", "memory_mib", "gpus", "gpu_milli"))
        for number, arrival_s in enumerate(sorted(draw.randrange(WEEK_S) for _ in range(jobs))):
            gpus = draw.choice((0, 1, 1, 1, 1, 2, 4, 8))
            part = 500 if gpus == 1 and draw.random() < 0.4 else 1000
            duration_s, share = int(draw.expovariate(1 / MEAN_S)) + 60, max(1, gpus)
            table.writerow((f"job-{number}", arrival_s, duration_s, 4_000 * share, 16_384 * share, gpus, part))
    gone = json.dumps([f"pool{pool}-*" for pool in range(POOLS * 2 // 3)])
    (folder / "changes.toml").write_text(f'[[change]]\nname = "a third of the nodes"\nremove = {gone}\n')


def measure(nodes: int, jobs: int, policy: str, repetitions: int) -> dict[str, Any]:
    """Measure both commands in turns."""
    with tempfile.TemporaryDirectory(prefix="fairlead-whatif-") as scratch:
        folder = Path(scratch)
        write(folder, nodes, jobs)
        shared = ["--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", policy, "-o", "json"]
        commands = {"simulate": ["simulate", *shared], "compare": ["compare", "changes.toml", *shared]}
        walls: dict[str, list[float]] = {name: [] for name in commands}
        found: dict[str, Any] = {}
        for _ in range(repetitions):
            for name, words in commands.items():
                began = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-m", "fairlead", "capacity", *words],
                    cwd=folder, env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=True, stdout=subprocess.PIPE,
                )  # fmt: skip
                walls[name].append(time.perf_counter() - began)
                found = json.loads(done.stdout)
    return {
        "benchmark": "whatif",
        "nodes": nodes,
        "jobs": jobs,
        "policy": policy,
        "wall_s": {name: summary(each) for name, each in walls.items()},
        "peak_mb_of_a_process": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "scheduling_occupancy": {name: round(each["scheduling_occupancy"], 3) for name, each in found.items()},
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--policy", default="fgd")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.nodes, options.jobs, options.policy, options.repetitions), indent=2))


if __name__ == "__main__":
    main()
