"""Write the JSON Schemas of the published documents, or check that they are up to date.

    python tools/schemas.py [--check]

They follow from the types in fairlead.specs and of answers; the descriptions of fields are those of the docstrings.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from fairlead.insight import why
from fairlead.insight.planning import documents as planning
from fairlead.snapshots import snapshot
from fairlead.specs import capacity, conditions, graphs, reports, resources, runtimes, simulated, steps, values, volumes

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
DOCUMENTS: dict[str, tuple[str, Any]] = {
    "graph": ("A flow as a spec: what fairlead run takes as a YAML or JSON file", graphs.Graph),
    "step": ("A step as a spec: what it runs and what it needs", steps.Step),
    "run": ("A run and its steps: what get, run, resume and rerun print with -o json", reports.RunReport),
    "runs": ("Runs without their steps: what fairlead ps prints with -o json", list[reports.RunSummary]),
    "comparison": ("Runs by a metric: what fairlead ps --metric prints with -o json", list[reports.MetricReport]),
    "events": ("What happened in a run: what fairlead events prints with -o json", list[reports.EventReport]),
    "artifacts": ("What steps returned: what fairlead artifacts ls prints with -o json", list[reports.ArtifactReport]),
    "package": ("What travels with a flow: what fairlead package prints with -o json", reports.PackageReport),
    "context": (
        "Whether runs can go to a cluster: what fairlead context check prints with -o json",
        reports.ContextReport,
    ),
    "plan": ("Whether a flow would run on a cluster: what fairlead plan prints with -o json", planning.Plan),
    "parity": ("What engines do not honour of a flow: what fairlead parity prints with -o json", reports.ParityReport),
    "schedules": ("Schedules: what fairlead schedule ls prints with -o json", list[reports.ScheduleReport]),
    "why": ("Why something is as it is: what fairlead why prints with -o json", why.Answer),
    "replay": (
        "What placement policies make of a workload: what fairlead capacity replay prints with -o json",
        dict[str, capacity.ReplayReport],
    ),
    "simulation": (
        "What would become of jobs on nodes: what fairlead capacity simulate prints with -o json",
        dict[str, capacity.SimulationReport],
    ),
    "fragmentation": (
        "Which GPUs of a cluster are free, and why they can't be used: what fairlead capacity fragmentation prints with"
        " -o json",
        capacity.FragmentationReport,
    ),
    "rightsize": (
        "What steps should ask for, by what they used: what fairlead capacity rightsize prints with -o json",
        capacity.RightsizeReport,
    ),
    "partition": (
        "How GPUs are cut into MIG instances: what fairlead capacity partition prints with -o json",
        capacity.PartitionReport,
    ),
    "settings": ("Settings: what fairlead config show prints with -o json", list[reports.SettingReport]),
}
_MODULES = (
    capacity,
    conditions,
    graphs,
    planning,
    reports,
    resources,
    runtimes,
    simulated,
    snapshot,
    steps,
    values,
    volumes,
    why,
)
_FIELD = re.compile(r"^(\w+): (.*(?:\n[ ]{4,}.*)*)", re.MULTILINE)


def main() -> int:
    """Write or check all schemas; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file is out of date")
    check = parser.parse_args().check
    stale = [name for name in DOCUMENTS if not is_current(name)]
    for name in stale:
        print(f"{'out of date' if check else 'wrote'} {path_of(name).relative_to(FOLDER.parents[1])}")
        if not check:
            path_of(name).write_text(schema_text(name), "utf-8")
    return 1 if stale and check else 0


def path_of(name: str) -> Path:
    """Return where a schema lies."""
    return FOLDER / f"{name}.schema.json"


def is_current(name: str) -> bool:
    """Say whether a schema's file is what the types give."""
    path = path_of(name)
    return path.exists() and path.read_text("utf-8") == schema_text(name)


def schema_text(name: str) -> str:
    """Write a schema as JSON."""
    title, form = DOCUMENTS[name]
    schema = msgspec.json.schema(form)
    for title_of_type, definition in schema.get("$defs", {}).items():
        _describe(title_of_type, definition)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _describe(name: str, definition: dict[str, Any]) -> None:
    """Give a type and its fields the descriptions of its docstring."""
    place, _, short = name.rpartition(".")
    modules = [module for module in _MODULES if place in ("", module.__name__)]
    found = next((vars(module)[short] for module in modules if short in vars(module)), None)
    text = inspect.getdoc(found) or "" if found else ""  # None has a docstring from Python 3.14 on
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    if summary:
        definition["description"] = " ".join(summary.split())
    for field, meaning in _FIELD.findall(inspect.cleandoc(attributes)):
        if field in definition.get("properties", {}):
            definition["properties"][field]["description"] = " ".join(meaning.split())
    metrics = definition.get("properties", {}).get("metrics")
    if metrics is not None:  # JSON has no NaN and no infinity: they are written as null
        metrics["additionalProperties"] = {"type": ["number", "null"]}


if __name__ == "__main__":
    sys.exit(main())
