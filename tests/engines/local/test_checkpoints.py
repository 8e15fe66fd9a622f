"""Where checkpoints of this machine's processes lie: in a folder that a step names, or in a store of several machines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairlead.runs.launching import launch, load_flow, resume
from fairlead.runs.options import Options, Silent
from fairlead.runs.settings import open_store
from fairlead.store.backends import list_all
from fairlead.store.layout import checkpoint_prefix

FLOW = """
import os
import fairlead
from fairlead import flow, runtimes, step


@step(cache=False)
def train(epochs: int) -> str:
    if os.environ.get("RANK") == "1":
        return ""  # what it saves the other one would find, if that begins later
    folder = fairlead.checkpoint()
    newest = folder.latest()
    if newest is not None:
        return (newest / "weights").read_text()
    for at in range(1, epochs + 1):
        with folder.save(at=at) as unfinished:
            (unfinished / "weights").write_text(f"weights of {at} by rank {os.environ.get('RANK')}")
    raise ValueError("fails at first")


@flow
def trained(epochs: int = 3):
    return train(epochs)


@flow
def trained_at(folder: str):
    return train.options(checkpoint=folder)(1)


@flow
def trained_together():
    return train.options(runtime=runtimes.torch(nodes=2))(3)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    (tmp_path / "checkpoint_flow.py").write_text(FLOW)
    return str(tmp_path / "checkpoint_flow.py")


def test_a_step_that_names_a_folder_has_its_checkpoints_there(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    project, flow = load_flow(file, "trained_at")
    run = launch(project, flow, {"folder": str(folder)}, Options(), Silent())
    assert [each.parent.name for each in folder.rglob("weights")] == ["000000000001"]
    assert resume(run.id, Options(), Silent()).result() == "weights of 1 by rank None"


@pytest.mark.parametrize(
    ("flow", "said"), [("trained", "weights of 3 by rank None"), ("trained_together", "weights of 3 by rank 0")]
)
def test_a_store_of_several_machines_has_the_newest_for_any_of_them(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_store_url: str, flow: str, said: str
) -> None:
    monkeypatch.setenv("FAIRLEAD_STORE", f"{s3_store_url}/{tmp_path.name}")
    run = launch(*load_flow(file, flow), {}, Options(), Silent())
    assert run.status == "failed"
    prefix = checkpoint_prefix(run.id, "train", 0)
    kept = [entry.key.removeprefix(prefix) for entry in list_all(open_store().backend, prefix)]
    assert [each for each in kept if each.endswith(".complete")] == [f"{at:012}-0001.complete" for at in (2, 3)]
    shutil.rmtree(open_store().checkpoints(run.id))  # as on another machine
    assert resume(run.id, Options(), Silent()).result() == said
