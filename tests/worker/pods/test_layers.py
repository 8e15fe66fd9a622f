"""Packages of steps in pods: installed once from wheels of this machine, fetched by each pod that needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fairlead.errors import UsageError
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.reports import ErrorReport
from fairlead.specs.requirements import read_requirements
from fairlead.specs.status import SPENT
from fairlead.store.backends import list_all
from fairlead.store.history import read_progress
from fairlead.store.layers import is_known, note_platform, platform, read_layer
from fairlead.store.layout import LAYERS, Task, object_key, submission_key, task_key
from fairlead.store.records import encode
from fairlead.worker.pods import layering
from fairlead.worker.tasks import ProjectCode, WorkerTask
from projects import SOURCE
from wheels import locked, make_wheel
from worker.pods.running import PodLaunch, PodRun, environment

IMAGE = "image:1"
FLOW = """
import subprocess, sys
from fairlead import flow, step

@step(lock="requirements.txt")
def greet() -> list[str]:
    import msgspec, tiny
    said = subprocess.run(["tiny-says"], capture_output=True, text=True, check=True).stdout.strip()
    return [tiny.WORD, said, str("/packages/" in tiny.__file__), str("/packages/" in msgspec.__file__)]

@step(lock="requirements.txt")
def again() -> str:
    import tiny
    return tiny.WORD

@step(packages=["tiny==1"], retries=1)
def unlocked() -> str:
    import tiny
    return tiny.WORD

@flow
def greeting():
    return greet(), again()

@flow
def plainly():
    return unlocked()
"""
TINY = {
    "tiny/__init__.py": b"WORD = 'hello'\ndef say():\n    print(WORD, 'again')\n",
    "tiny-1.dist-info/entry_points.txt": b"[console_scripts]\ntiny-says = tiny:say\n",
}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that pip is told of."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "tiny", "1", TINY)
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def file(tmp_path: Path, wheels: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "requirements.txt").write_text(locked(next(wheels.iterdir())))
    (project / "greetings.py").write_text(FLOW)
    (project / "pyproject.toml").write_text("")
    return project / "greetings.py"


@pytest.fixture
def delivered(launch: PodLaunch, tmp_path: Path) -> PodLaunch:
    """Runs whose pods begin as in an image: by the script, with the worker's own packages last."""
    folder = tmp_path / "fairlead"
    (folder / f"cp{sys.version_info.major}{sys.version_info.minor}").mkdir(parents=True)
    (folder / "any").symlink_to(SOURCE)
    (folder / "start.py").symlink_to(Path(SOURCE) / "fairlead/worker/pods/start.py")
    launch.starter = (sys.executable, str(folder / "start.py"))
    return launch


def build(run: PodRun, tmp_path: Path, step: str = "greet") -> tuple[int, str]:
    """Run the pod that installs the packages of a definition."""
    work = tmp_path / f"build-{len(list(tmp_path.glob('build-*')))}"
    work.mkdir()
    command = [*run.starter, "fairlead.worker.pods.layering", *run.identity(), f"--step={step}", f"--image={IMAGE}"]
    done = subprocess.run([*command, f"--work={work}"], env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def arrived(run: PodRun, work: Path) -> subprocess.CompletedProcess[str]:
    """Run what comes first in the pod of a node of a cluster that works for a step."""
    task = WorkerTask(
        id=0, run=run.spec.run, step=run.spec.graph.steps["greet"], index=0, number=1, code=ProjectCode(file=""),
        inputs={}, store=run.store.url, host="", log=None, checkpoints="",
    )  # fmt: skip
    run.store.backend.put(task_key(run.spec.run, Task("greet", 0, 1)), msgspec.msgpack.encode(task))
    command = [*run.starter, "fairlead.worker.pods.arriving", *run.identity(), "--task=greet.0.1", f"--work={work}"]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def layers(run: PodRun) -> list[str]:
    return [each.key for each in list_all(run.store.backend, LAYERS)]


def error_of(run: PodRun, number: int = 1) -> ErrorReport:
    """Return the error of an attempt of the flow's first step."""
    progress = read_progress(run.store.backend, run.spec)
    error = progress.instances_of(0)[0].attempts[number].error
    assert error is not None
    return error


def lock_of(run: PodRun, step: str = "greet") -> str:
    lock = run.spec.graph.steps[step].environment.locked
    assert lock is not None
    return lock


def test_two_steps_share_a_layer_which_comes_before_the_images_packages_and_is_made_once(
    delivered: PodLaunch, file: Path, tmp_path: Path, wheels: Path
) -> None:
    make_wheel(wheels, "msgspec", "1", {"unused/__init__.py": b""})
    run = delivered.submit(file, "greeting", {})
    assert not is_known(run.store.backend, lock_of(run), IMAGE)
    code, said = build(run, tmp_path)
    assert (code, len(layers(run))) == (0, 1), said
    assert is_known(run.store.backend, lock_of(run), IMAGE)
    assert not is_known(run.store.backend, lock_of(run), "another:1")
    run.run()
    ended = run.ended()
    assert ended.report.status == "succeeded", run.pod(0).output
    values = [run.store.values.load(step.artifacts[0]) for step in ended.report.steps]
    assert values == [["hello", "hello again", "True", "False"], "hello"]
    code, said = build(run, tmp_path, "again")
    assert (code, "the packages are there" in said) == (0, True)


def test_the_same_packages_make_the_same_archive(launch: PodLaunch, file: Path, tmp_path: Path) -> None:
    run = launch.submit(file, "greeting", {})
    digests = []
    for _ in range(2):
        assert build(run, tmp_path)[0] == 0
        layer = read_layer(run.store.backend, lock_of(run), platform())
        assert layer is not None
        digests.append(layer.archive.digest)
        run.store.backend.delete(layers(run)[0])
    assert digests[0] == digests[1]


def test_without_a_layer_a_step_says_what_to_do_and_corrects_what_is_known_of_its_image(
    delivered: PodLaunch, file: Path
) -> None:
    run = delivered.submit(file, "greeting", {})
    context = Context(name="c", store="s3://b", image=IMAGE)
    submission = Submission(run=run.spec.run, flow="greeting", context=context, namespace="n")
    run.store.backend.create(submission_key(run.spec.run, run.claim.number), encode(submission))
    note_platform(run.store.backend, IMAGE, "cpython-399-nowhere")
    run.run()
    error = error_of(run)
    assert error.type == "Packages"
    assert "the packages of the step are not in the store" in error.message
    assert f"fairlead resume {run.spec.run}" in error.message
    assert run.pod(0).codes == [SPENT]


def test_packages_that_cannot_be_installed_are_the_error_of_the_steps_that_need_them(
    delivered: PodLaunch, file: Path, tmp_path: Path, wheels: Path
) -> None:
    (file.parent / "requirements.txt").write_text(locked(next(wheels.iterdir()), "0" * 64))
    run = delivered.submit(file, "greeting", {})
    code, _ = build(run, tmp_path)
    assert (code, layers(run)) == (SPENT, [])
    run.run()
    error = error_of(run)
    assert "pip could not install the packages of the lock" in error.message
    assert "HASH" in error.message.upper()


def test_a_damaged_layer_is_removed_and_the_run_goes_on_with_a_new_one(
    delivered: PodLaunch, file: Path, tmp_path: Path
) -> None:
    run = delivered.submit(file, "plainly", {})
    assert build(run, tmp_path, "unlocked")[0] == 0
    layer = read_layer(run.store.backend, lock_of(run, "unlocked"), platform())
    assert layer is not None
    key = object_key(layer.archive.digest)
    data = bytearray(run.store.backend.get(key))
    data[700] ^= 1
    run.store.backend.put(key, bytes(data))
    run.run()
    assert "the packages of the step are damaged or gone" in error_of(run, 1).message
    assert "the packages of the step are not in the store" in error_of(run, 2).message
    assert run.pod(0).codes == [1, SPENT]
    assert layers(run) == []
    assert not is_known(run.store.backend, lock_of(run, "unlocked"), IMAGE)
    assert build(run, tmp_path, "unlocked")[0] == 0
    resumed = delivered.resume(run.spec.run)
    assert resumed.report.status == "succeeded"


def test_packages_that_are_too_large_are_named(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layering, "BYTES_MAX", 3 << 20)
    make_wheel(wheels, "large", "2", {"large.bin": bytes(4 << 20)})
    make_wheel(wheels, "middle", "1", {"middle.bin": bytes(1 << 20)})
    work = tmp_path / "work"
    work.mkdir()
    layering.install(read_requirements(["large==2", "middle==1", "tiny==1"]), work / "packages", work)
    with pytest.raises(UsageError) as refused:
        layering.check_size(work / "packages")
    assert "at most 3 are fetched by each pod: large 4 MiB, middle 1 MiB, tiny 0 MiB" in refused.value.why
    assert "fairlead image build" in refused.value.next


def test_what_only_a_source_archive_has_is_not_built(tmp_path: Path, wheels: Path) -> None:
    (wheels / "sourced-1.tar.gz").write_bytes(b"")
    with pytest.raises(UsageError, match="pip could not install") as refused:
        layering.install(read_requirements(["sourced==1"]), tmp_path / "packages", tmp_path)
    assert "sourced==1" in refused.value.why


def test_every_python_of_a_node_of_a_cluster_finds_the_project_the_packages_and_the_worker(
    delivered: PodLaunch, file: Path, tmp_path: Path, wheels: Path
) -> None:
    run = delivered.submit(file, "greeting", {})
    assert build(run, tmp_path)[0] == 0
    work = tmp_path / "node"
    work.mkdir()
    done = arrived(run, work)
    assert done.returncode == 0, done.stderr
    seen = """
import json, sys
import greetings, tiny, fairlead, image_s_own
print(json.dumps([greetings.__file__, tiny.__file__, image_s_own.WORD, sys.path]))
"""
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text(
        "import sys, types\nsys.modules['image_s_own'] = types.SimpleNamespace(WORD=7)\n"
    )
    path = Path(SOURCE) / "fairlead/worker/pods/path"
    outside = {**environment(), "PYTHONPATH": f"{path}:{own}", "FAIRLEAD_PATH": str(work / "path")}
    said = subprocess.run([sys.executable, "-c", seen], env=outside, capture_output=True, text=True, check=True).stdout
    project, package, word, entries = json.loads(said)
    assert project.startswith(str(work / "code")) and package.startswith(str(work / "packages")) and word == 7
    packages, image = entries.index(str(work / "packages")), next(each for each in entries if "site-packages" in each)
    assert entries.index(os.path.dirname(project)) < packages < entries.index(image)


def test_a_node_whose_packages_are_missing_says_so_and_does_not_begin(
    delivered: PodLaunch, file: Path, tmp_path: Path
) -> None:
    run = delivered.submit(file, "greeting", {})
    done = arrived(run, tmp_path)
    assert done.returncode == 1
    assert "the packages of the step are not in the store" in done.stderr and "fairlead resume" in done.stderr
