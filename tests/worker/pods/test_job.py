"""The first and the last pod of a run that is somebody else's job, and what its steps' pods tell in between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fairlead.runs.launching import load_flow
from fairlead.runs.publishing import publish
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context, Launch
from fairlead.store import claims
from fairlead.store.catalog import latest_by_run
from fairlead.store.history import read_spec
from fairlead.store.opened import Store
from fairlead.worker.pods import job
from fairlead.worker.pods.telling import tell
from worker.pods.running import PodLaunch, environment

FLOW = """
from fairlead import flow, step

@step
def one() -> int:
    return 1

@flow
def single() -> int:
    return one()
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(job.WORKFLOW, "single-x1")
    monkeypatch.setenv(job.NAMESPACE, "ml")
    return Store(str(tmp_path / "store"), tmp_path / "host")


@pytest.fixture
def launch(store: Store, tmp_path: Path) -> Launch:
    """A flow that is published."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "published_job.py").write_text(FLOW)
    found, flow = load_flow(str(project / "published_job.py"), None)
    publication = publish(found, flow.trace({}), store).publication
    context = Context(name="far", store=store.url, image="python", worker_image="fairlead")
    return Launch(name="single", flow="single", digest=publication.digest, context=context, labels={"tier": "gold"})


def begin(launch: Launch, name: str, told: Path) -> int:
    written = msgspec.json.encode(launch).decode()
    return job.main(["begin", f"--job={name}", f"--launch={written}", f"--tell={told}"])


def test_each_job_has_a_run_and_a_pod_that_is_started_again_finds_it(
    store: Store, launch: Launch, tmp_path: Path
) -> None:
    told = [tmp_path / "told" / str(number) for number in range(3)]
    assert [begin(launch, name, file) for name, file in zip(("a", "a", "b"), told, strict=True)] == [0, 0, 0]
    first, again, other = (file.read_text() for file in told)
    assert first == again != other
    assert set(latest_by_run(store.backend)) == {first, other}
    spec = read_spec(store.backend, first)
    assert (spec.labels, spec.host, spec.context) == ({"tier": "gold"}, "single-x1", "far")
    claim = claims.newest_claim(store.backend, first)
    assert claim is not None and claim.number == 1
    handover = claims.handed_over(store.backend, first, claim)
    assert handover is not None and (handover.namespace, handover.name) == ("ml", "single-x1")


def test_the_last_pod_writes_down_how_the_run_ended(store: Store, launch: Launch, tmp_path: Path) -> None:
    assert begin(launch, "a", tmp_path / "run") == 0
    run = (tmp_path / "run").read_text()
    place = [f"--store={store.url}", f"--run={run}", "--generation=1", "--node=0", f"--work={tmp_path}"]
    command = [sys.executable, "-m", "fairlead.worker.pods.telling", *place, f"--facts={tmp_path}/facts"]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    assert read_report(store.backend, run).status == "running"
    assert job.main(["finish", "--job=a", f"--store={store.url}"]) == 0
    assert read_report(store.backend, run).status == "succeeded"
    claim = claims.newest_claim(store.backend, run)
    assert claim is not None and claims.has_ended(store.backend, run, claim)


def test_a_run_whose_pods_never_came_has_failed(store: Store, launch: Launch, tmp_path: Path) -> None:
    assert begin(launch, "a", tmp_path / "run") == 0
    assert job.main(["finish", "--job=a", f"--store={store.url}"]) == 0
    assert read_report(store.backend, (tmp_path / "run").read_text()).status == "failed"


def test_a_run_whose_job_has_ended_is_resumed_like_any_other(store: Store, launch: Launch, tmp_path: Path) -> None:
    assert begin(launch, "a", tmp_path / "run") == 0
    assert job.main(["finish", "--job=a", f"--store={store.url}"]) == 0
    run = (tmp_path / "run").read_text()
    assert PodLaunch(tmp_path, store).resume(run).report.status == "succeeded"
    assert job.main(["finish", "--job=a", f"--store={store.url}"]) == 0  # retried in its own system: it changes nothing
    assert read_report(store.backend, run).status == "succeeded"


def test_a_job_that_has_begun_no_run_ends_well(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.main(["finish", "--job=none", f"--store={store.url}"]) == 0
    assert "has begun no run" in capsys.readouterr().err


def test_a_flow_that_was_never_published_says_so(
    store: Store, launch: Launch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin(msgspec.structs.replace(launch, digest="0" * 64), "a", tmp_path / "run") == 1
    assert "fairlead publish FILE" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fact", "said", "told"),
    [
        ("when-0", "true", "true"),
        ("when-0", "false", "false"),
        ("when-0", None, "false"),
        ("count-1", "3", '["0", "1", "2"]'),
        ("count-0", "0", "[]"),
        ("count-0", None, "[]"),
    ],
)
def test_facts_are_told_as_a_pipeline_reads_them(fact: str, said: str | None, told: str, tmp_path: Path) -> None:
    if said is not None:
        (tmp_path / fact).write_text(said)
    tell(tmp_path / fact, tmp_path / "outputs" / "file")
    text = (tmp_path / "outputs" / "file").read_text()
    assert (text, type(json.loads(text))) == (told, bool if fact.startswith("when") else list)


def test_what_lies_in_the_folder_of_a_secret_are_variables_that_do_not_replace_others(tmp_path: Path) -> None:
    here = tmp_path / "fairlead"
    (here / f"cp{sys.version_info.major}{sys.version_info.minor}").mkdir(parents=True)
    (here / "any").mkdir()
    (here / "any" / "shows.py").write_text("import os\nprint(os.environ['SAID'], os.environ['KEPT'])\n")
    (here / "start.py").symlink_to(Path(job.__file__).with_name("start.py"))
    secret = tmp_path / "secret"
    (secret / "..data").mkdir(parents=True)
    (secret / "SAID").write_text("said")
    (secret / "KEPT").write_text("other")
    outside = environment() | {"FAIRLEAD_VARIABLES": str(secret), "KEPT": "kept"}
    command = [sys.executable, str(here / "start.py"), "shows"]
    done = subprocess.run(command, env=outside, check=True, capture_output=True, text=True)
    assert done.stdout == "said kept\n"
