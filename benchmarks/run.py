"""Run one benchmark for fairlead and, with `--peers`, for its peers, side by side; print one JSON document.

The systems take turns within each repetition, and each repetition starts with another one, so that a slow minute of a
shared machine falls on all of them alike. What the figures mean is in README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import floors
from measuring import CommandFailed, Usage, measure, summary, summary_of_usages
from systems import FAIRLEAD, PEERS, VARIANTS, Benchmark, System

BASES: dict[Benchmark, int] = {"chain": 2, "fan": 2, "array": 1}
"""The small size of each benchmark: what it takes is start-up, and is taken off before dividing by the size."""

UNITS: dict[Benchmark, str] = {"chain": "step", "fan": "item", "array": "MB"}


@dataclass(slots=True)
class Record:
    """What has been measured of one system so far."""

    size: int
    cases: dict[str, list[Usage]] = field(default_factory=lambda: defaultdict(list))
    left_files: int = 0
    left_bytes: int = 0
    error: str | None = None


@dataclass(slots=True)
class Floors:
    """Every figure of the bare machine measured between the runs, by name."""

    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, name: str, value: float) -> None:
        """Keep one more figure under a name."""
        self.figures[name].append(value)

    def median(self, name: str) -> float:
        """The middle figure of those kept under a name."""
        return summary(self.figures[name])["median"]


class Session:
    """One benchmark over some systems."""

    def __init__(self, options: argparse.Namespace, systems: Sequence[System]) -> None:
        """Take the options of the command line and the systems in the order in which they are reported."""
        self.benchmark: Benchmark = options.benchmark
        self.options = options
        self.systems = systems
        self.floors = Floors()
        self.records = {system.name: Record(self._size(system)) for system in systems}

    def run(self) -> dict[str, Any]:
        """Measure everything and return the document."""
        for system in self.systems:  # once without counting: byte code is written, files come into the page cache
            self._repeat(system, warm_up=True)
        for repetition in range(self.options.repetitions):
            turn = repetition % len(self.systems)
            self._measure_floors()
            for system in [*self.systems[turn:], *self.systems[:turn]]:
                print(f"{self.benchmark} {repetition + 1}/{self.options.repetitions} {system.name}", file=sys.stderr)
                self._repeat(system)
        return self._document()

    def _size(self, system: System) -> int:
        if self.benchmark == "start":
            return 0
        chosen: int | None = self.options.size if system.requirements is None else self.options.peer_size
        return chosen or system.sizes[self.benchmark]

    def _repeat(self, system: System, warm_up: bool = False) -> None:
        record = self.records[system.name]
        if record.error is not None:
            return
        try:
            if self.benchmark == "start":
                usages = self._start_cases(system)
            else:
                sizes = {"base": BASES[self.benchmark]} | ({} if warm_up else {"full": record.size})
                usages = self._sized_cases(system, sizes)
        except CommandFailed as failure:
            record.error = str(failure)
            return
        if not warm_up:
            for case, usage in usages.items():
                record.cases[case].append(usage)

    def _start_cases(self, system: System) -> dict[str, Usage]:
        python = str(system.python)
        commands = {
            "interpreter": [python, "-c", "pass"],
            "import": [python, "-c", system.import_line],
            "help": system.help_command,
        }
        usages = {}
        for case, command in commands.items():
            with self._work_folder() as folder:
                usages[case] = self._measure(command, system, folder)
        return usages

    def _sized_cases(self, system: System, sizes: dict[str, int]) -> dict[str, Usage]:
        record = self.records[system.name]
        usages = {}
        for case, size in sizes.items():
            with self._work_folder() as folder:
                usages[case] = self._measure(system.command(folder, self.benchmark, size), system, folder)
                record.left_files, record.left_bytes = _left_in(folder)
        return usages

    def _measure(self, command: list[str], system: System, folder: Path) -> Usage:
        return measure(command, folder=folder, environment=system.variables(folder), limit_s=self.options.limit)

    def _measure_floors(self) -> None:
        self.floors.note("fork_s", floors.fork_s())
        with self._work_folder() as folder:
            bare = measure(floors.bare_interpreter(), folder=folder, environment=os.environ, limit_s=60)
            self.floors.note("interpreter_s", bare.wall_s)
            if self.benchmark == "array":
                for size in sorted({record.size for record in self.records.values()}):
                    self.floors.note(f"flushed_write_{size}_mb_s", floors.flushed_write_s(folder, size))
                    self.floors.note(f"make_and_sum_{size}_mb_s", self._make_and_sum_s(folder, size))

    def _make_and_sum_s(self, folder: Path, size: int) -> float:
        python = str(self.systems[-1].python)  # of any environment: each has NumPy
        walls = [
            measure(
                [python, "-c", floors.MAKE_AND_SUM, str(megabytes)],
                folder=folder,
                environment=self.systems[-1].variables(folder),
                limit_s=600,
            ).wall_s
            for megabytes in (BASES["array"], size)
        ]
        return walls[1] - walls[0]

    @contextmanager
    def _work_folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="fairlead-benchmark-", dir=self.options.work))
        home = folder / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _document(self) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "unit": UNITS.get(self.benchmark),
            "base_size": BASES.get(self.benchmark),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
            "machine": _machine(),
            "floor": {name: summary(values) for name, values in self.floors.figures.items()},
            "systems": [self._report(system) for system in self.systems],
        }

    def _report(self, system: System) -> dict[str, Any]:
        record = self.records[system.name]
        head: dict[str, Any] = {"name": system.name, "version": system.version, "facts": asdict(system.facts)}
        if record.error is not None:
            return head | {"error": record.error}
        cases = {case: summary_of_usages(usages) for case, usages in record.cases.items()}
        if self.benchmark == "start":
            return head | {"cases": cases}
        units = record.size - BASES[self.benchmark]
        pairs = list(zip(record.cases["base"], record.cases["full"], strict=True))
        wall = summary((full.wall_s - base.wall_s) / units for base, full in pairs)
        cpu = summary((full.cpu_s - base.cpu_s) / units for base, full in pairs)
        return head | {
            "size": record.size,
            "wall_per_unit_s": wall,
            "cpu_per_unit_s": cpu,
            **self._ratios(record.size, wall["median"], units),
            "left_files": record.left_files,
            "left_mb": round(record.left_bytes / 1e6, 1),
            "cases": cases,
        }

    def _ratios(self, size: int, wall_per_unit_s: float, units: int) -> dict[str, float]:
        if self.benchmark != "array":
            return {"wall_per_unit_in_forks": round(wall_per_unit_s / self.floors.median("fork_s"), 1)}
        passing_s = wall_per_unit_s * units - self.floors.median(f"make_and_sum_{size}_mb_s")
        write_s = self.floors.median(f"flushed_write_{size}_mb_s")
        return {"passing_s": round(passing_s, 3), "passing_in_flushed_writes": round(passing_s / write_s, 2)}


def _left_in(folder: Path) -> tuple[int, int]:
    """Number and bytes of the files that a run left behind."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return len(sizes), sum(sizes)


def _machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("benchmark", choices=get_args(Benchmark))
    parser.add_argument("--peers", action="store_true", help="measure the peers too")
    parser.add_argument("--variants", action="store_true", help="also fairlead with heavier user modules")
    parser.add_argument("--only", metavar="NAMES", help="only these systems, by name, separated by commas")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--size", type=int, help="fairlead's steps, items or MB")
    parser.add_argument("--peer-size", type=int, help="the peers' steps, items or MB")
    parser.add_argument("--work", type=Path, help="where runs keep their files: choose the disk to be measured")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a single run is given up")
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[System]:
    offered = [FAIRLEAD, *VARIANTS, *PEERS]
    if options.only:
        names = options.only.split(",")
        unknown = set(names) - {system.name for system in offered}
        if unknown:
            known = ", ".join(repr(system.name) for system in offered)
            raise SystemExit(f"unknown systems: {', '.join(sorted(unknown))}; known: {known}")
        return [system for system in offered if system.name in names]
    systems = [FAIRLEAD, *(VARIANTS if options.variants else ()), *(PEERS if options.peers else ())]
    if options.benchmark == "start":  # the manners of running one package start alike
        systems = list({system.distribution: system for system in reversed(systems)}.values())[::-1]
    return systems


def main(arguments: Sequence[str]) -> int:
    """Measure, print the document; 1 if any system failed."""
    options = _options(arguments)
    systems = _chosen(options)
    for system in systems:
        _ = system.python  # environments are made before anything is measured
    document = Session(options, systems).run()
    print(json.dumps(document, indent=2))
    failed = [report for report in document["systems"] if "error" in report]
    for report in failed:
        print(f"{report['name']}: {report['error']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
