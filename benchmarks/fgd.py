"""Replay the published experiment, and write the tables of docs/capacity.md beside what was published.

    python -m benchmarks.fgd TRACES [--only NAME,…] [--seeds 42:52] [--processes N] [--keep FILE]

TRACES is a folder with the traces of the USENIX ATC 2023 paper on fragmentation gradient descent, as Alibaba publishes
them. What has been replayed is kept in FILE, and not replayed again. Exits with 1 where a mean lies further from the
published one than both standard deviations explain.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fairlead.runs.capacity import read_inputs, replay_policies
from planner.published import ALLOCATION, ARRIVALS, FRAGMENTATION, POLICIES, tolerance

PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
BEGIN, END = "<!-- begin: written by benchmarks/fgd.py -->", "<!-- end -->"


def main() -> int:
    """Replay, write the page, and say what lies too far from what was published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--only", default=",".join(ALLOCATION), help="the traces to replay; all where it is not given")
    parser.add_argument("--seeds", default="42:52")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--keep", type=Path, default=Path("fgd.json"))
    arguments = parser.parse_args()
    start, _, stop = arguments.seeds.partition(":")
    seeds = range(int(start), int(stop))
    found = _replays(arguments.traces, arguments.only.split(","), seeds, arguments.processes, arguments.keep)
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    text = "\n".join([BEGIN, "", *_tables(found), "", END])
    PAGE.write_text(before + text + rest.partition(END)[2], "utf-8")
    far = [each for trace in found for each in _too_far(trace, found[trace], len(seeds))]
    for each in far:
        print(each)
    return 1 if far else 0


def _replays(folder: Path, traces: list[str], seeds: range, processes: int | None, keep: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(keep.read_text("utf-8")) if keep.exists() else {}
    for trace in traces:
        inputs = None
        for policy in POLICIES:
            if policy in found.setdefault(trace, {}):
                continue
            inputs = inputs or read_inputs(
                folder / "openb_node_list_gpu_node.csv", folder / f"openb_pod_list_{trace}.csv"
            )
            report = replay_policies(inputs, [policy], seeds, inflate=1.3, processes=processes)[policy]
            found[trace][policy] = {
                "allocation": {each.arrivals_percent: (each.mean, each.sd) for each in report.gpu_allocation},
                "fragmentation": {each.arrivals_percent: (each.mean, each.sd) for each in report.fragmentation},
            }
            keep.write_text(json.dumps(found), "utf-8")
            found = json.loads(keep.read_text("utf-8"))
            print(trace, policy, "{:.2f} ± {:.2f}".format(*found[trace][policy]["allocation"]["100"]), flush=True)
    return {trace: each for trace, each in found.items() if set(POLICIES) <= set(each)}


def _tables(found: dict[str, Any]) -> Iterator[str]:
    yield "| trace | " + " | ".join(POLICIES) + " |"
    yield "| --- |" + " --- |" * len(POLICIES)
    for trace, published in ALLOCATION.items():
        if trace not in found:
            continue
        cells = []
        for policy, (there, sd_there) in zip(POLICIES, published, strict=True):
            mean, sd = found[trace][policy]["allocation"]["100"]
            cells.append(f"{mean:.2f} ± {sd:.2f} ({there:.2f} ± {sd_there:.2f})")
        yield f"| {trace} | " + " | ".join(cells) + " |"
    yield ""
    yield "| policy | " + " | ".join(f"{percent} %" for percent in ARRIVALS) + " |"
    yield "| --- |" + " --- |" * len(ARRIVALS)
    for policy, published in FRAGMENTATION.items():
        curve = found["default"][policy]["fragmentation"]
        cells = [
            f"{curve[str(percent)][0]:.2f} ({each:.2f})" for percent, each in zip(ARRIVALS, published, strict=True)
        ]
        yield f"| `{policy}` | " + " | ".join(cells) + " |"


def _too_far(trace: str, found: dict[str, Any], seeds: int) -> Iterator[str]:
    for policy, (mean, sd) in zip(POLICIES, ALLOCATION[trace], strict=True):
        allowed = tolerance(sd, seeds)
        own = found[policy]["allocation"]["100"][0]
        if abs(own - mean) > allowed:
            yield f"{trace} {policy}: allocation {own:.2f}, published {mean:.2f}, allowed ± {allowed:.2f}"
        if trace == "default":
            for percent, published in zip(ARRIVALS, FRAGMENTATION[policy], strict=True):
                own = found[policy]["fragmentation"][str(percent)][0]
                if abs(own - published) > allowed:
                    yield f"{policy} at {percent} %: fragmentation {own:.2f}, published {published:.2f}"


if __name__ == "__main__":
    sys.exit(main())
