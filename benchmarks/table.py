"""Print the documents of `run.py` as Markdown tables: `python benchmarks/table.py FILE.json ...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Document = dict[str, Any]


def table(document: Document) -> str:
    """One document as a heading line, a table and the floor it was measured over."""
    rows = [_row(document["benchmark"], system) for system in document["systems"]]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [
        f"`{document['command']}`, {document['date'][:10]}, {_machine(document['machine'])}",
        "",
        "| " + " | ".join(columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(row.get(name, "-") for name in columns) + " |" for row in rows),
        "",
        "Floor: " + ", ".join(f"{name} {_spread(figures)}" for name, figures in document["floor"].items()),
    ]
    return "\n".join(lines)


def _row(benchmark: str, system: Document) -> dict[str, str]:
    head = {"system": f"{system['name']} {system['version']}"}
    if "error" in system:
        return head | {"remark": "failed"}
    if benchmark == "start":
        return head | {f"{case}, wall / CPU s": _wall_and_cpu(figures) for case, figures in system["cases"].items()}
    full = system["cases"]["full"]
    row = head | {"size": str(system["size"]), "wall s": _spread(full["wall_s"]), "CPU s": _spread(full["cpu_s"])}
    if benchmark == "array":
        return row | {
            "passing s": f"{system['passing_s']:g}",
            "in flushed writes": f"{system['passing_in_flushed_writes']:g}",
            "largest process MB": f"{full['peak_rss_mb']['median']:.0f}",
            "MB left": f"{system['left_mb']:g}",
        }
    facts = system["facts"]
    return row | {
        "wall ms each": _spread(system["wall_per_unit_s"], 1000),
        "CPU ms each": _spread(system["cpu_per_unit_s"], 1000),
        "in forks": f"{system['wall_per_unit_in_forks']:g}",
        "process per step": facts["process_per_step"],
        "outputs persisted": facts["outputs_persisted"],
        "logs kept": facts["logs_kept"],
        "files, MB left": f"{system['left_files']}, {system['left_mb']:g}",
    }


def _wall_and_cpu(figures: Document) -> str:
    return f"{_spread(figures['wall_s'])} / {_spread(figures['cpu_s'])}"


def _spread(figures: dict[str, float], factor: float = 1) -> str:
    median, low, high = (_figure(figures[name] * factor) for name in ("median", "min", "max"))
    return f"{median} ({low} to {high})"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine(machine: Document) -> str:
    return f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}"


if __name__ == "__main__":
    print("\n\n".join(table(json.loads(Path(name).read_text())) for name in sys.argv[1:]))
