"""The systems measured: how each is started for each benchmark, and what its steps give in return for their time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import environments

Benchmark = Literal["start", "chain", "fan", "array"]

FLOWS = Path(__file__).parent / "flows"
SOURCE = Path(__file__).parent.parent / "src"
WORKERS = "2"
"""Steps at a time, wherever a peer lets one choose."""

FAIRLEAD_SIZES: dict[Benchmark, int] = {"chain": 1000, "fan": 10_000, "array": 1000}
PEER_SIZES: dict[Benchmark, int] = {"chain": 20, "fan": 100, "array": 200}
"""Steps, items and MB."""

DROPPED_PREFIXES = ("PYTHON", "FAIRLEAD_", "METAFLOW_", "KFP_", "DAGSTER_", "DASK_", "VIRTUAL_ENV")
"""The user's own settings: `PYTHONDONTWRITEBYTECODE` alone would make every process compile anew."""

QUIET_VARIABLES = {
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "METAFLOW_DEFAULT_EVENT_LOGGER": "nullSidecarLogger",
    "METAFLOW_DEFAULT_MONITOR": "nullSidecarMonitor",
    "METAFLOW_USER": "benchmark",
}
"""No system may report home while it is measured."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step of this system gives; a faster step that gives less is no like-for-like comparison."""

    process_per_step: str
    outputs_persisted: str
    logs_kept: str


Arguments = Callable[[Path, Benchmark, int], list[str]]
"""(work folder, benchmark, size) -> the arguments for the system's Python; may write files into the folder."""


@dataclass(frozen=True, slots=True)
class System:
    """One system, or one manner of running it.

    Attributes:
        name: What the report calls it.
        distribution: The package whose version is reported.
        requirements: The environment it runs in (a file of `requirements/`); None for the Python that runs this.
        import_line: What a user's file starts with.
        script: Its command, a name beside the interpreter; None where Python runs the package by name.
        arguments: How a flow is run.
        sizes: Steps, items and MB by default.
    """

    name: str
    distribution: str
    requirements: str | None
    import_line: str
    script: str | None
    facts: Facts
    arguments: Arguments
    sizes: dict[Benchmark, int] = field(default_factory=lambda: PEER_SIZES)

    @property
    def python(self) -> Path:
        """The interpreter it runs in; makes the environment at first use."""
        return environments.interpreter(self.requirements) if self.requirements else Path(sys.executable)

    @property
    def version(self) -> str:
        """The installed version; a checkout that is not installed has none."""
        try:
            return environments.version(self.python, self.distribution)
        except subprocess.CalledProcessError:
            return "checkout"

    @property
    def help_command(self) -> list[str]:
        """The full command that prints its help."""
        front = [str(self.python.parent / self.script)] if self.script else [str(self.python), "-m", self.distribution]
        return [*front, "--help"]

    def command(self, folder: Path, benchmark: Benchmark, size: int) -> list[str]:
        """The full command that runs a flow of this size in a work folder."""
        return [str(self.python), *self.arguments(folder, benchmark, size)]

    def variables(self, folder: Path) -> dict[str, str]:
        """A run's environment variables: the caller's, with home and every state of a system in the work folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED_PREFIXES)}
        homes = {name: str(folder / "home") for name in ("HOME", "DAGSTER_HOME", "FAIRLEAD_HOME")}
        path = {} if self.requirements else {"PYTHONPATH": str(SOURCE)}
        return kept | QUIET_VARIABLES | homes | path


def _fairlead(header: str) -> Arguments:
    def arguments(folder: Path, benchmark: Benchmark, size: int) -> list[str]:
        file = folder / f"fairlead_{benchmark}.py"
        file.write_text(header + (FLOWS / file.name).read_text())
        return ["-m", "fairlead", "run", str(file), "--n", str(size), "-o", "json"]

    return arguments


def _metaflow(folder: Path, benchmark: Benchmark, size: int) -> list[str]:
    file = folder / f"metaflow_{benchmark}.py"
    if benchmark == "chain":
        source = subprocess.run([sys.executable, FLOWS / file.name, str(size)], check=True, capture_output=True)
        file.write_bytes(source.stdout)
        parameters = []
    else:
        shutil.copy(FLOWS / file.name, file)
        parameters = ["--n", str(size), "--max-num-splits", str(size)]
    return [str(file), "run", "--max-workers", WORKERS, *parameters]


def _one_file(name: str, *more: str) -> Arguments:
    return lambda _folder, benchmark, size: [str(FLOWS / name), benchmark, str(size), *more]


def _fairlead_system(name: str, header: str) -> System:
    return System(
        name=name,
        distribution="fairlead",
        requirements=None,
        import_line="from fairlead import flow, step",
        script=None,
        facts=Facts("yes", "yes", "yes"),
        arguments=_fairlead(header),
        sizes=FAIRLEAD_SIZES,
    )


def _dagster_system(executor: str, facts: Facts, sizes: dict[Benchmark, int]) -> System:
    return System(
        name=f"dagster {executor}",
        distribution="dagster",
        requirements="dagster",
        import_line="from dagster import job, op",
        script="dagster",
        facts=facts,
        arguments=_one_file("dagster_flows.py", executor),
        sizes=sizes,
    )


FAIRLEAD = _fairlead_system("fairlead", "")
VARIANTS = (
    _fairlead_system("fairlead, module imports pandas", "import pandas\n"),
    _fairlead_system("fairlead, module imports pandas and scikit-learn", "import pandas\nimport sklearn.ensemble\n"),
)
"""The same flows in a module that imports what such modules import: a process per step may pay for it every time."""

PEERS = (
    System(
        name="metaflow",
        distribution="metaflow",
        requirements="metaflow",
        import_line="from metaflow import FlowSpec, step",
        script="metaflow",
        facts=Facts("yes", "yes", "yes"),
        arguments=_metaflow,
    ),
    System(
        name="kfp",
        distribution="kfp",
        requirements="kfp",
        import_line="from kfp import dsl, local",
        script="kfp",
        facts=Facts("yes", "yes, as files", "no, only printed"),
        arguments=_one_file("kfp_flows.py"),
    ),
    _dagster_system("in_process", Facts("no", "yes, pickled", "yes, per run"), PEER_SIZES),
    _dagster_system("multiprocess", Facts("yes", "yes, pickled", "yes"), PEER_SIZES | {"fan": 20}),
    System(
        name="dask",
        distribution="distributed",
        requirements="dask",
        import_line="from dask.distributed import Client, LocalCluster",
        script="dask",
        facts=Facts("no, two workers", "no", "no"),
        arguments=_one_file("dask_flows.py"),
        sizes=PEER_SIZES | {"chain": 1000, "fan": 1000},  # so fast that fewer drown in the start of its workers
    ),
)
