"""Garbage goes, and nothing else, also while flows run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.errors import ClaimedError, DamagedError, UsageError
from fairlead.runs.handles import Run
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.specs.requirements import read_requirements
from fairlead.specs.values import Ref
from fairlead.store import claims, leases
from fairlead.store.backends import Folder, list_all
from fairlead.store.checking import check, missing_artifacts
from fairlead.store.collecting import Plan, collect, plan_collection
from fairlead.store.layers import Layer, layer_key
from fairlead.store.layout import CACHE, COLLECTOR, OBJECTS, object_key, run_prefix
from fairlead.store.opened import Store
from fairlead.store.records import encode
from fairlead.store.references import references_in
from fairlead.store.temporaries import abandoned_files
from projects import SOURCE

FLOW = """
import fairlead, os, time
from pathlib import Path
from fairlead import flow, step

@step
def load(seed: int) -> list[int]:
    return [seed, seed + 1, seed + 2]

@step
def square(x: int) -> int:
    return x * x

@step
def total(xs: list[int], seed: int) -> dict:
    folder = fairlead.checkpoint()
    with folder.save(at=1) as unfinished:
        (unfinished / "state").write_text("1234")
    return {"sum": sum(xs), "text": str(seed) * 1000}

@step
def tree(seed: int) -> Path:
    root = Path(os.environ["SCRATCH"]) / str(seed)
    (root / "sub").mkdir(parents=True, exist_ok=True)
    (root / "sub" / "one").write_text(f"one {seed}")
    (root / "two").write_text(f"two {seed}")
    return root

@step(cache=False)
def fresh(x: dict) -> float:
    return float(x["sum"])

@flow
def work(seed: int = 1, tag: str = ""):
    t = total(square.map(load(seed)), seed)
    return fresh(t), tree(seed), square.map([seed * 1000, seed * 1000 + 1])
"""


class Place:
    """A project, its store, and runs of it in this process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / f"collected_{folder.name.replace('-', '_')}.py"
        self.file.write_text(FLOW)
        self.home = folder / "home"
        self.store = Store(str(self.home), self.home / "host")

    def run(self, **parameters: object) -> Run:
        project, flow = load_flow(str(self.file), None)
        finished = launch(project, flow, parameters, Options(), Silent())
        assert finished.report.status == "succeeded", finished.report.reason
        return finished

    def remove(self, run: Run) -> None:
        for entry in list(list_all(self.store.backend, run_prefix(run.report.run))):
            self.store.backend.delete(entry.key)

    def collect(self, grace_s: float = 0.0, now: float | None = None) -> Plan:
        return collect(self.store, plan_collection(self.store, grace_s, now))

    def objects(self) -> set[str]:
        return {entry.key for entry in list_all(self.store.backend, OBJECTS)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    yield Place(tmp_path)


def test_nothing_that_a_run_refers_to_is_garbage(place: Place) -> None:
    runs = [place.run(seed=1), place.run(seed=2), place.run(seed=1)]
    before = place.objects()
    plan = plan_collection(place.store, 0.0)
    assert not plan.of_kind("object") and not plan.of_kind("cache entry")
    place.collect()
    assert place.objects() == before and plan.kept == len(before)
    for run in runs:
        assert not list(missing_artifacts(place.store, run.report.run))
    assert all(step.cached for step in place.run(seed=1).report.steps if step.name != "fresh")


def test_what_only_a_removed_run_referred_to_goes_with_its_cache_entries(place: Place) -> None:
    kept = place.run(seed=1)
    before = place.objects()
    removed = place.run(seed=2)
    both = place.objects()
    place.remove(removed)
    plan = plan_collection(place.store, 0.0)
    assert {each.key for each in plan.of_kind("object")} == both - before
    assert plan.of_kind("cache entry")
    assert plan.size_bytes > 1000
    assert place.objects() == both, "a plan removes nothing"
    gone = collect(place.store, plan)
    assert set(gone.garbage) == set(plan.garbage)
    assert place.objects() == before
    assert not list(missing_artifacts(place.store, kept.report.run))
    assert not check(place.store).faults
    again = place.run(seed=2)
    assert not any(step.cached for step in again.report.steps if step.name in ("load", "total", "tree"))


def test_garbage_is_kept_for_the_grace_period(place: Place) -> None:
    place.remove(place.run(seed=1))
    assert not place.collect(grace_s=3600.0).garbage
    now = time.time()
    assert not plan_collection(place.store, 3600.0, now + 3500.0).garbage
    assert plan_collection(place.store, 3600.0, now + 3700.0).garbage


def test_what_was_used_since_the_plan_stays(place: Place) -> None:
    ref = place.store.values.save({"a": "value"})
    other = place.store.values.save({"another": "value"})
    time.sleep(0.05)
    plan = plan_collection(place.store, 0.0)
    time.sleep(0.05)
    assert place.store.values.hold(ref)
    collect(place.store, plan)
    assert place.store.values.exists(ref)
    assert not place.store.values.hold(other)


def test_a_value_that_is_saved_again_is_young_again(place: Place) -> None:
    values = ["x", "y" * (2 << 20)]
    refs = [place.store.values.save(value) for value in values]
    loaded = [place.store.values.load(ref) for ref in refs]
    time.sleep(0.05)
    plan = plan_collection(place.store, 0.0)
    time.sleep(0.05)
    assert [place.store.values.save(value) for value in loaded] == refs
    assert len(plan.of_kind("object")) == 2
    assert not collect(place.store, plan).garbage


def test_what_a_living_run_may_use_stays(place: Place) -> None:
    run = "20260101-000000-aaaaa"
    old = place.store.values.save("before the claim")
    time.sleep(0.05)
    claim = claims.take_claim(place.store.backend, run, now=time.time())
    young = place.store.values.save("after it, and in no record yet")
    time.sleep(0.05)
    place.collect()
    assert place.store.values.exists(young) and not place.store.values.exists(old)
    claims.release(place.store.backend, run, claim)
    gone = place.collect()
    assert not place.store.values.exists(young)
    assert [each.key for each in gone.of_kind("launch")] == [run_prefix(run)]
    assert not list(list_all(place.store.backend, run_prefix(run)))


def test_checkpoints_of_runs_that_succeeded_go(place: Place) -> None:
    run = place.run(seed=1)
    folder = place.store.checkpoints(run.report.run)
    assert (folder / "total.0" / f"{1:012}" / "state").is_file()
    (found,) = plan_collection(place.store, 0.0).of_kind("checkpoint")
    assert (found.key, found.size_bytes) == (str(folder), 4)
    place.collect()
    assert not folder.exists()


def test_files_of_killed_writers_go(place: Place, tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE).stdout
    place.store.values.save(1)
    objects = place.home / "objects"
    abandoned = objects / f".tmp.{int(dead)}.0.abcd"
    written = objects / f".tmp.{os.getpid()}.0.abcd"
    spooled = place.home / "host" / "spool" / abandoned.name
    users = place.home / "runs" / "r" / "checkpoints" / abandoned.name
    for path in (abandoned, written, spooled, users):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    time.sleep(0.05)
    assert {path for path, _ in abandoned_files([place.home, place.home / "host"], time.time())} == {abandoned, spooled}
    assert place.collect().of_kind("temporary file")
    assert not abandoned.exists() and not spooled.exists()
    assert written.exists() and users.exists()


@pytest.mark.parametrize("how", ["damaged", "newer"])
def test_nothing_is_removed_while_a_record_cannot_be_read(place: Place, how: str) -> None:
    run = place.run(seed=1)
    key = run_prefix(run.report.run) + "spec"
    data = place.store.backend.get(key)
    place.store.backend.put(key, data[:-5] if how == "damaged" else data.replace(b'"format":1', b'"format":99', 1))
    if b'"format":1' not in data and how == "newer":
        place.store.backend.put(key, b'{"format":99,' + data[1:])
    with pytest.raises(DamagedError, match="newer Fairlead" if how == "newer" else "is damaged"):
        plan_collection(place.store, 0.0)


def test_one_collector_at_a_time_and_a_dead_ones_lease_is_taken_over(place: Place) -> None:
    place.store.values.save(1)
    plan = plan_collection(place.store, 0.0, time.time() + 1)
    code = "import sys; from fairlead.store import leases; from fairlead.store.backends import Folder; " + (
        "from pathlib import Path; held = leases.collecting(Folder(Path(sys.argv[1]))); held.__enter__(); "
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(place.home)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ClaimedError, match="another process collects"):
            collect(place.store, plan)
        other.kill()
    assert leases.collector(place.store.backend) is None
    assert collect(place.store, plan).garbage
    assert COLLECTOR not in [entry.key for entry in list_all(place.store.backend, "gc/")]


def test_a_grace_period_has_a_least_length(place: Place) -> None:
    with pytest.raises(UsageError, match="at least 0 seconds, got -1"):
        plan_collection(place.store, -1.0)


def test_references_are_found_wherever_they_stand() -> None:
    ref = Ref(digest="a" * 64, format="json", size_bytes=3)
    looks_like_one = {"digest": 1, "size_bytes": "many", "inside": [{"digest": "b" * 64, "size_bytes": 1}]}
    found = list(references_in({"new": [{"field": {"digest": ref.digest, "format": "json", "size_bytes": 3}}], "p": 1}))
    assert found == [ref]
    assert list(references_in(looks_like_one)) == []


COLLECTOR_LOOP = """
import random, sys, time
from pathlib import Path
from fairlead.store import collecting
from fairlead.store.collecting import collect, plan_collection
from fairlead.store.opened import Store

def slowly(survey, garbage, remove=collecting._Survey.remove):
    time.sleep(random.random() / 3)  # what is used between the look and the removal is what may be lost
    return remove(survey, garbage)

collecting._Survey.remove = slowly
store = Store(sys.argv[1], Path(sys.argv[1]) / "host")
stop = Path(sys.argv[2])
rounds = removed = 0
while not stop.exists():
    gone = collect(store, plan_collection(store, 0.0))
    rounds += 1
    removed += len(gone.of_kind("object"))
print(rounds, removed)
"""

RUNNER_LOOP = """
import random, sys, time
from pathlib import Path
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.store.backends import list_all
from fairlead.store.checking import missing_artifacts
from fairlead.store.layout import run_prefix
from fairlead.store.opened import Store
file, home, number, seconds = sys.argv[1:]
store = Store(home, Path(home) / "host")
project, flow = load_flow(file, None)
choose = random.Random(int(number))
kept, hits, count = [], 0, 0
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    run = launch(project, flow, {"seed": int(number) * 10 + choose.randrange(2)}, Options(), Silent())
    assert run.report.status == "succeeded", run.report
    hits += sum(step.cached for step in run.report.steps)
    count += 1
    kept.append(run.report.run)
    for each in kept:
        assert not list(missing_artifacts(store, each)), (each, list(missing_artifacts(store, each)))
    while len(kept) > choose.randrange(2):  # so that values become garbage, and are made or found again
        gone = kept.pop(0)
        for entry in list(list_all(store.backend, run_prefix(gone))):
            store.backend.delete(entry.key)
    time.sleep(choose.random() / 5)
print(count, hits)
"""


def test_collecting_again_and_again_harms_no_flow_that_runs(place: Place, tmp_path: Path) -> None:
    place.run(seed=0)
    stop = tmp_path / "stop"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    collector = start(COLLECTOR_LOOP, place.home, stop)
    runners = [start(RUNNER_LOOP, place.file, place.home, number, 6.0) for number in range(2)]
    counts = [outcome(runner) for runner in runners]
    stop.touch()
    rounds, removed = outcome(collector)
    assert min(count for count, _ in counts) >= 2
    assert sum(hits for _, hits in counts) > 0, "nothing came from the cache"
    assert rounds >= 3 and removed > 0, "no garbage went"
    assert not check(place.store).faults


def outcome(process: subprocess.Popen[str]) -> list[int]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return list(map(int, out.split()))


def test_a_removal_and_a_use_exclude_each_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    key = object_key("a" * 64)
    folder.create(key, b"bytes")
    since = leases.last_used(folder, key) + 0.01
    time.sleep(0.05)
    assert leases.use(folder, key)
    assert not leases.remove_unused(folder, key, since)
    assert leases.remove_unused(folder, key, time.time() + 1)
    assert not leases.use(folder, key)
    assert not leases.remove_unused(folder, key, time.time() + 1)


def test_a_layer_stays_while_it_is_young_or_a_run_names_its_lock(place: Place) -> None:
    place.file.write_text(FLOW.replace("@step\ndef load", '@step(packages=["b==2", "a==1"])\ndef load'))
    run = place.run()
    lock = read_requirements(["a==1", "b==2"]).digest
    used, unused = (keep_layer(place, each) for each in (lock, "0" * 64))
    assert place.collect(grace_s=3600).garbage == ()
    gone = place.collect()
    assert {each.key for each in gone.garbage if each.kind == "layer"} == {unused[0]}
    assert used[1] in place.objects()
    assert unused[1] not in place.objects()
    place.remove(run)
    assert used[0] in {each.key for each in place.collect().garbage}
    assert used[1] not in place.objects()


def test_a_layer_that_is_made_anew_since_the_plan_stays(place: Place) -> None:
    key, archive = keep_layer(place, "0" * 64)
    plan = plan_collection(place.store, 0.0)
    assert {each.kind for each in plan.garbage} == {"layer", "object"}
    keep_layer(place, "0" * 64)
    collect(place.store, plan)
    assert place.store.backend.get(key)
    assert archive in place.objects()


def keep_layer(place: Place, lock: str) -> tuple[str, str]:
    """Put a layer into the store; returns the keys of its entry and its archive."""
    archive = object_key(hashlib.sha256(lock.encode()).hexdigest())
    place.store.backend.put(archive, lock.encode())
    ref = Ref(digest=archive.removeprefix(OBJECTS), format="packages", size_bytes=64)
    place.store.backend.put(
        layer_key(lock, "here"), encode(Layer(lock=lock, platform="here", archive=ref, created=1.0))
    )
    return layer_key(lock, "here"), archive


def test_a_cache_entry_that_cannot_be_read_goes(place: Place) -> None:
    place.store.backend.put(CACHE + "abc", b"{")
    place.store.backend.put(CACHE + "abe", encode({"not": "an entry"}))
    time.sleep(0.05)
    assert len(place.collect().of_kind("cache entry")) == 2
