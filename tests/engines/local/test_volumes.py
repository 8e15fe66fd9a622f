"""Volumes of steps on this machine: folders, made with the run or standing for a claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.cli.main import call
from fairlead.errors import UsageError
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store
from fairlead.worker.context import volume

FLOW = """
import os

import fairlead
from fairlead import Csi, Volume, flow, runtimes, step

SHARED = Volume(name="shared", path="/shared", size="1Gi", lasts="run")
SCRATCH = Volume(name="scratch", path="/scratch", size="1Gi", sub_path="mine")


@step(volumes=[SHARED, SCRATCH], cache=False)
def write() -> str:
    (fairlead.volume("shared") / "said").write_text("hello")
    assert not list(fairlead.volume("scratch").iterdir())
    (fairlead.volume("scratch") / "own").touch()
    return str(fairlead.volume("scratch"))


@step(
    volumes=[
        SHARED,
        SCRATCH,
        Volume(name="images", path="/images", claim="datasets", sub_path="b", read_only=True),
        Volume(name="bucket", path="/bucket", csi=Csi(driver="example.com")),
        Volume(name="there", path="@THERE@", claim="elsewhere"),
    ],
    runtime=runtimes.torch(nodes=2, processes_per_node=2),
    checkpoint="/shared/checkpoints",
    cache=False,
)
def read(other: str) -> dict[str, str]:
    assert str(fairlead.volume("scratch")) != other
    (fairlead.volume("scratch") / os.environ["RANK"]).touch()
    found = {name: (fairlead.volume(name) / "said").read_text() for name in ("shared", "images", "bucket", "there")}
    if os.environ["RANK"] == "0":
        with fairlead.checkpoint().save(at=1) as unfinished:
            (unfinished / "weights").touch()
    return found | {"scratch": str(fairlead.volume("scratch")), "checkpoints": str(fairlead.checkpoint())}


@step(volumes=[SHARED], cache=False)
def unknown() -> str:
    return str(fairlead.volume("sharde"))


@flow
def volumes():
    return read(write())


@flow
def missing():
    return unknown()
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    there = tmp_path / "there"
    there.mkdir()
    (there / "said").write_text("there")
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    path = tmp_path / "flow.py"
    path.write_text(FLOW.replace("@THERE@", str(there)))
    return path


def test_volumes_are_folders_of_the_run_or_those_that_stand_for_claims(tmp_path: Path, file: Path) -> None:
    home, datasets = tmp_path / "home", tmp_path / "datasets"
    for folder, said in ((datasets / "b", "images"), (home / "volumes/bucket", "objects")):
        folder.mkdir(parents=True)
        (folder / "said").write_text(said)
    (home / "volumes/datasets").symlink_to(datasets)
    run = launch(*load_flow(str(file), "volumes"), {}, Options(), Silent())
    assert run.status == "succeeded"
    found = run.result()
    assert {name: found[name] for name in ("shared", "images", "bucket", "there")} == {
        "shared": "hello", "images": "images", "bucket": "objects", "there": "there",
    }  # fmt: skip
    made = open_store().volumes(run.id)
    assert found["checkpoints"].startswith(str(made / "run/shared/checkpoints"))
    assert not Path(found["scratch"]).exists() and not list((made / "attempts").iterdir())
    assert call(["rm", run.id]) == 0
    assert not made.exists() and (datasets / "b/said").exists()


def test_a_volume_that_the_step_does_not_have_is_named_with_those_it_has(file: Path) -> None:
    with pytest.raises(UsageError, match="no volume 'shared' here"):
        volume("shared")
    run = launch(*load_flow(str(file), "missing"), {}, Options(), Silent())
    (attempt,) = read_report(open_store().backend, run.id).steps[0].attempts
    assert attempt.error is not None and "no volume 'sharde'" in attempt.error.message
