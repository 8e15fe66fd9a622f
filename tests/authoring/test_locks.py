"""The lock of a step is a file beside its code, read when a flow is traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import SpecError, UsageError
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.runs.settings import open_store
from fairlead.specs.requirements import read_requirements
from fairlead.store.layout import object_key

FLOW = """
from fairlead import flow, step

@step(lock="../requirements.txt")
def work(x: int) -> int:
    return x

@flow
def locked():
    return work.map([1, 2]), work.options(cpu=2)(3), work.options(lock=None)(4)

@flow
def both():
    return work.options(packages=["a==1"])(1)

@flow(dynamic=True)
def called():
    return work(1) + work(2)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "requirements.txt").write_text("# made\nNumPy==2.0\na == 1\n")
    (tmp_path / "src").mkdir()
    path = tmp_path / "src" / f"flows_{tmp_path.name.strip('_')}.py"
    path.write_text(FLOW)
    return path


def test_definitions_name_a_lock_by_what_it_says(file: Path) -> None:
    traced = load_flow(str(file), "locked")[1].trace({})
    lock = read_requirements(["a==1", "numpy==2.0"])
    found = {key: step.environment.lock for key, step in traced.graph.steps.items()}
    assert [None if each is None else (each.digest, each.name) for each in found.values()] == [
        (lock.digest, "requirements.txt"), (lock.digest, "requirements.txt"), None,
    ]  # fmt: skip
    assert dict(traced.locks) == {lock.digest: b"a==1\nnumpy==2.0\n"}


def test_a_lock_is_read_by_who_traces_and_not_where_a_function_runs(file: Path) -> None:
    (file.parent.parent / "requirements.txt").unlink()
    _, flow = load_flow(str(file), "locked")
    assert flow.function.__globals__["work"](3) == 3
    with pytest.raises(UsageError, match=r"cannot read the lock \.\./requirements\.txt"):
        flow.trace({})


def test_a_lock_beside_packages_is_refused(file: Path) -> None:
    with pytest.raises(SpecError, match="can't be had beside packages"):
        load_flow(str(file), "both")[1].trace({})


@pytest.mark.parametrize(
    ("text", "said"), [("", "it names no package"), ("a==1\n\npandas\nb>=1\n", "line 3: 'pandas' is not pinned")]
)
def test_what_is_no_lock_is_refused_line_by_line(file: Path, text: str, said: str) -> None:
    (file.parent.parent / "requirements.txt").write_text(text)
    with pytest.raises(SpecError, match="is no lock") as refused:
        load_flow(str(file), "locked")[1].trace({})
    assert said in str(refused.value)
    assert "uv pip compile --generate-hashes" in refused.value.next


def test_in_a_notebook_a_path_begins_where_its_kernel_runs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    cell = """
from fairlead import flow, step

@step(lock="../requirements.txt")
def work(x: int) -> int:
    return x

@flow
def locked():
    return work(1)
"""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(cell, "/nowhere/ipykernel_1/2.py", "exec"), names)
    assert len(names["locked"].trace({}).locks) == 1


def test_a_dynamic_flow_stores_the_locks_of_what_it_calls(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(file.parent.parent / "home"))
    project, flow = load_flow(str(file), "called")
    done = launch(project, flow, {}, Options(), Silent())
    assert done.result() == 3
    lock = read_requirements(["a==1", "numpy==2.0"])
    assert open_store().backend.get(object_key(lock.digest)) == lock.text
