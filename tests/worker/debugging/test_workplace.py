"""A step's workplace, made as in a pod: the task comes in, all else from the store, and nothing goes there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fairlead.errors import DamagedError
from fairlead.runs.debugging import Recorded, recorded
from fairlead.runs.finding import Target
from fairlead.store.backends import Folder, list_all
from fairlead.store.layout import object_key
from worker.pods import flows
from worker.pods.running import PodLaunch, environment

FLOW = """
from pathlib import Path
from fairlead import flow, step

@step(cache=False)
def folder() -> Path:
    Path("site").mkdir(exist_ok=True)
    Path("site/page").write_text("page")
    return Path("site")

@step(cache=False)
def read(site: Path, big: bytes) -> int:
    (site / "page").read_text()
    return len(big)

@step(cache=False)
def big() -> bytes:
    return b"x" * 3_000_000

@flow
def reading():
    return read(folder(), big())
"""


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PodLaunch:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    return PodLaunch(tmp_path)


def run(launch: PodLaunch, file: Path, flow: str) -> str:
    ended = launch(file, flow, {})
    assert ended.report.status == "succeeded"
    return ended.report.run


def module(name: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", f"fairlead.worker.debugging.{name}", *arguments],
        input=given, env=environment(), capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def furnished(found: Recorded, folder: Path) -> subprocess.CompletedProcess[bytes]:
    data = msgspec.msgpack.encode(found.task)
    return module("furnishing", str(folder), str(len(data)), given=data + b"what comes after it")


def test_a_step_is_gone_through_with_its_newest_checkpoint_and_the_store_is_left_alone(
    launch: PodLaunch, tmp_path: Path
) -> None:
    file = tmp_path / "project" / "pod_flows.py"
    file.parent.mkdir()
    shutil.copyfile(flows.__file__, file)
    (file.parent / "where_module.py").write_text("")
    run_id = run(launch, file, "trained")
    before = list(list_all(launch.store.backend, ""))
    found = recorded(launch.store, Target(run_id, "train"))
    assert found.task.number == 2
    place = tmp_path / "place"
    assert furnished(found, place).stderr == b""
    done = module("entering", str(place), "again")
    assert done.returncode == 0, done.stderr
    assert b"str  '000000000010" in done.stderr
    assert list(list_all(launch.store.backend, "")) == before


def test_files_and_large_values_come_whole_and_what_is_lacking_is_named(launch: PodLaunch, tmp_path: Path) -> None:
    file = tmp_path / "project" / "flow.py"
    file.parent.mkdir()
    file.write_text(FLOW)
    run_id = run(launch, file, "reading")
    found = recorded(launch.store, Target(run_id, "read"))
    place = tmp_path / "place"
    assert furnished(found, place).returncode == 0
    done = module("entering", str(place), "sh", "-c", "pwd; again; rm -r $FAIRLEAD_DEBUG/host; again")
    assert done.stdout.decode().strip() == str(place / "code")
    assert done.stderr.count(b"int  3000000") == 2
    big = recorded(launch.store, Target(run_id, "big"))
    assert isinstance(launch.store.backend, Folder)
    (output,) = (ref for name, given in found.task.inputs.items() if name == "big" for ref in [given.ref])  # type: ignore[union-attr]
    launch.store.backend.path(object_key(output.digest)).unlink()
    lacking = furnished(found, tmp_path / "other")
    assert lacking.returncode == 1
    assert lacking.stderr.startswith(b"a stored value is missing")
    assert furnished(big, tmp_path / "third").returncode == 0, "it takes nothing"


def test_a_package_that_is_missing_is_named(launch: PodLaunch, tmp_path: Path) -> None:
    file = tmp_path / "project" / "flow.py"
    file.parent.mkdir()
    file.write_text(FLOW)
    run_id = run(launch, file, "reading")
    code = launch.submit(file, "reading", {}).spec.code
    assert code is not None and code.package is not None
    launch.store.backend.delete(object_key(code.package.digest))
    with pytest.raises(DamagedError, match=f"the code of run {run_id} is missing"):
        recorded(launch.store, Target(run_id, "read"))
