"""Replay the published experiment with balanced-fgd and fgd, and write by how much the first allocates more.

    python -m benchmarks.margins TRACES [--only NAME,…] [--seeds 42:72] [--processes N] [--keep FILE]

TRACES is a folder as benchmarks/fgd.py takes it; every list of pods in it is replayed. What has been replayed is kept
in FILE, not replayed again, and stands in the table. The margins of a trace are paired by seeds; their mean has a 95 %
interval by Student's t. Exits with 1 where its lower end is less than the goal.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from fairlead.runs.capacity import read_inputs, replays

PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
BEGIN, END = "<!-- begin: written by benchmarks/margins.py -->", "<!-- end -->"
OURS, THEIRS = "balanced-fgd", "fgd"
HEAD = (f"| trace | seeds | `{THEIRS}` | `{OURS}` | margin | at least |", "| --- | --- | --- | --- | --- | --- |")
TUNED, GAIN, LOSS = "default", 0.5, -0.1
"""The trace that the policy was tuned on, and the least margin of it and of any other, in points."""


def main() -> int:
    """Replay, write the page, and say which goals are missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--only", help="the traces to replay; all where it is not given")
    parser.add_argument("--seeds", default="42:72")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--keep", type=Path, default=Path("margins.json"))
    arguments = parser.parse_args()
    start, _, stop = arguments.seeds.partition(":")
    seeds = range(int(start), int(stop))
    names = sorted(each.stem.removeprefix("openb_pod_list_") for each in arguments.traces.glob("openb_pod_list_*.csv"))
    only = arguments.only.split(",") if arguments.only else names
    found = _allocations(arguments.traces, only, seeds, arguments.processes, arguments.keep)
    rows, missed = [], []
    for trace, known in sorted(found.items()):
        margins = [known[OURS][seed] - known[THEIRS][seed] for seed in known[OURS]]
        mean, sd = fmean(margins), stdev(margins)
        least = mean - student.ppf(0.975, len(margins) - 1) * sd / len(margins) ** 0.5
        ours, theirs = (fmean(known[policy].values()) for policy in (OURS, THEIRS))
        rows.append(f"| {trace} | {len(margins)} | {theirs:.2f} | {ours:.2f} | {mean:+.2f} ± {sd:.2f} | {least:+.2f} |")
        goal = GAIN if trace == TUNED else LOSS
        if least < goal:
            missed.append(f"{trace}: the margin may be as low as {least:+.2f}, and the goal is {goal:+.1f}")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + "\n".join([BEGIN, "", *HEAD, *rows, "", END]) + rest.partition(END)[2], "utf-8")
    print("\n".join(missed or ["all goals are met"]))
    return 1 if missed else 0


def _allocations(
    folder: Path, traces: list[str], seeds: range, processes: int | None, keep: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Return for each trace, policy and seed what is allocated at 100 % arrivals, in per cent of all GPUs."""
    found: dict[str, dict[str, dict[str, float]]] = json.loads(keep.read_text("utf-8")) if keep.exists() else {}
    for trace in traces:
        known = found.setdefault(trace, {OURS: {}, THEIRS: {}})
        lacking = [seed for seed in seeds if str(seed) not in known[OURS]]
        if not lacking:
            continue
        inputs = read_inputs(folder / "openb_node_list_gpu_node.csv", folder / f"openb_pod_list_{trace}.csv")
        for each in replays(inputs, [OURS, THEIRS], lacking, inflate=1.3, processes=processes):
            known[each.policy][str(each.seed)] = each.bins[100].gpu_allocation
        keep.write_text(json.dumps(found), "utf-8")
        print(trace, "is done", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
