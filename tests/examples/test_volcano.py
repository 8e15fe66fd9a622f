"""The example package that adds a target: installed beside Fairlead, found by its entry point, held against its golden."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engines.local.driving import SOURCE
from fairlead.errors import Fault
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import FunctionStep, Overlay
from fairlead.targets.training.target import Target
from fairlead.targets.validating import object_field_faults
from targets.goldens import REPOSITORY, compare

EXAMPLE = REPOSITORY / "examples/volcano"
GOLDEN = EXAMPLE / "volcanojob.golden.yaml"


class Installed:
    """An environment with the package beside Fairlead, and a context."""

    def __init__(self, folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        source = folder / "source"
        source.mkdir()
        for each in ("pyproject.toml", "fairlead_volcano.py"):
            (source / each).write_bytes((EXAMPLE / each).read_bytes())
        options = ["--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
        subprocess.run([*pip, *options, str(source)], check=True, capture_output=True, timeout=120)
        path = os.pathsep.join([str(folder / "site"), SOURCE])
        self._environment = os.environ | {"PYTHONPATH": path, "FAIRLEAD_HOME": str(folder / "home")}
        place = [
            "--store",
            "s3://bucket/ml",
            "--namespace",
            "ml",
            "--image",
            "python:3.12",
            "--worker-image",
            "worker:1",
        ]
        self("context", "add", "gpu-prod", *place)

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "fairlead", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("volcano"))


def test_a_package_adds_a_target_by_its_entry_point_and_a_run_takes_it_by_name(installed: Installed) -> None:
    assert "volcanojob" in installed("targets")
    asked = ("render", str(EXAMPLE / "train.py"), "--on", "gpu-prod")
    made = [
        each
        for each in yaml.safe_load_all(installed(*asked, "--target", "volcanojob"))
        if each["apiVersion"].startswith("batch.volcano.sh/")
    ]
    assert [fault for each in made for fault in object_field_faults(each)] == []
    compare(GOLDEN, made)
    assert "batch.volcano.sh" not in installed(*asked)


def module() -> Any:
    spec = importlib.util.spec_from_file_location("fairlead_volcano", EXAMPLE / "fairlead_volcano.py")
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


TARGET: Target = module().TARGET


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        ("Pending", "running"), ("Aborting", "running"), ("Aborted", "failed"), ("Running", "running"),
        ("Restarting", "running"), ("Completing", "running"), ("Completed", "succeeded"), ("Terminating", "running"),
        ("Terminated", "failed"), ("Failed", "failed"), ("Parked", "running"),
    ],
)  # fmt: skip
def test_every_phase_has_its_word(phase: str, word: str) -> None:
    assert TARGET.state({"status": {"state": {"phase": phase, "message": "m"}}}) == (word, "m")


@given(
    st.none()
    | st.fixed_dictionaries(
        {}, optional={"state": st.none() | st.fixed_dictionaries({}, optional={"phase": st.none()})}
    )
)
def test_what_says_nothing_runs(status: dict[str, Any] | None) -> None:
    assert TARGET.state({"status": status}) == ("running", "")


def test_what_it_has_no_field_for_is_refused() -> None:
    step = FunctionStep(
        name="fit", function="m:f", runtime=Torch(nodes=4, nodes_min=2), queue="gpus",
        overlays=(Overlay(kind="Job", patch={"spec": {"backoffLimit": 1}}),),
    )  # fmt: skip
    found: list[Fault] = list(TARGET.faults(step))
    assert [each.path for each in found] == ["runtime.nodes_min", "overlays", "queue"]
