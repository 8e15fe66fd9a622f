"""Damage is found and named, and what was lost is made again rather than used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.runs.handles import Run
from fairlead.runs.launching import launch, load_flow, resume
from fairlead.runs.options import Options, Silent
from fairlead.store.backends import list_all
from fairlead.store.checking import Fault, check, missing_artifacts
from fairlead.store.layout import CACHE, OBJECTS, run_prefix
from fairlead.store.opened import Store

FLOW = """
import os
from pathlib import Path
from fairlead import flow, step

@step
def first(n: int = 3) -> list[int]:
    with open(os.environ["SCRATCH"] + "/log", "a") as log:
        log.write("first\\n")
    return list(range(100, 100 + n))

@step
def each(x: int) -> int:
    return x + 1

@step
def tree(xs: list[int]) -> Path:
    folder = Path(os.environ["SCRATCH"], "tree")
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "sub" / "leaf").write_text("a leaf")
    return folder

@step
def last(xs: list[int], folder: Path, raw: list[int]) -> int:
    if os.path.exists(os.environ["SCRATCH"] + "/damage"):
        os.remove(os.environ["SCRATCH"] + "/damage")
        raise RuntimeError("not yet")
    return sum(xs) + sum(raw)

@flow
def work(n: int = 3):
    raw = first(n)
    return last(each.map(raw), tree(raw), raw)
"""


class Place:
    """A project, its store, and runs of it in this process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / f"checked_{folder.name.replace('-', '_')}.py"
        self.file.write_text(FLOW)
        self.scratch = folder
        self.home = folder / "home"
        self.store = Store(str(self.home), self.home / "host")

    def run(self, *, fails: bool = False, **parameters: object) -> Run:
        if fails:
            (self.scratch / "damage").write_text("")
        project, flow = load_flow(str(self.file), None)
        return launch(project, flow, parameters, Options(), Silent())

    def resume(self, run: Run) -> Run:
        return resume(run.report.run, Options(), Silent())

    def executions(self) -> int:
        return len((self.scratch / "log").read_text().splitlines())

    def object_of(self, run: Run, step: str) -> Path:
        digest = next(each.artifact for each in run.report.steps if each.name == step)
        return self.home / "objects" / str(digest)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    yield Place(tmp_path)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(path, bytes(data))


def cut(path: Path) -> None:
    rewrite(path, path.read_bytes()[:-1])


def rewrite(path: Path, data: bytes) -> None:
    os.chmod(path, 0o644)
    path.write_bytes(data)


def only(faults: tuple[Fault, ...]) -> Fault:
    (found,) = faults
    return found


def test_a_sound_store_has_no_faults(place: Place) -> None:
    run = place.run()
    report = check(place.store)
    assert report.faults == ()
    assert report.objects == len(list(list_all(place.store.backend, OBJECTS)))
    assert report.records > 3 and report.size_bytes > 0
    assert not list(missing_artifacts(place.store, run.report.run))


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_object_is_named_with_the_steps_that_use_it(place: Place, damage: Callable[[Path], None]) -> None:
    run = place.run()
    path = place.object_of(run, "first")
    damage(path)
    fault = only(check(place.store).faults)
    assert (fault.kind, fault.key, fault.is_set_aside) == ("damaged object", f"objects/{path.name}", False)
    assert fault.used_by == (f"{run.report.run}/first/0",)
    assert path.exists()


def test_a_missing_object_is_named_also_when_it_is_part_of_another(place: Place) -> None:
    run = place.run()
    item, leaf = (
        place.object_of(run, "each"),
        next(path for path in (place.home / "objects").iterdir() if path.read_bytes() == b"a leaf"),
    )
    item.unlink()
    leaf.unlink()
    found = {fault.key: fault for fault in check(place.store).faults}
    assert set(found) == {f"objects/{item.name}", f"objects/{leaf.name}"}
    assert found[f"objects/{leaf.name}"].used_by == (f"{run.report.run}/tree/0",)
    assert found[f"objects/{leaf.name}"].kind == "missing object"
    assert {each.where for each in missing_artifacts(place.store, run.report.run)} >= {"tree/0", "each/0"}


def test_a_damaged_record_is_named(place: Place) -> None:
    run = place.run()
    (final,) = [each.key for each in list_all(place.store.backend, run_prefix(run.report.run) + "final/")]
    place.store.backend.put(final, place.store.backend.get(final)[:-7])
    place.store.backend.put(CACHE + "abc", b"no record")
    assert {(each.kind, each.key) for each in check(place.store).faults} == {
        ("damaged record", final), ("damaged record", CACHE + "abc"),
    }  # fmt: skip
    check(place.store, repair=True)
    assert [each.key for each in check(place.store).faults] == [final]


def test_a_repair_moves_damage_aside_and_the_next_run_makes_the_value_again(place: Place) -> None:
    run = place.run()
    path = place.object_of(run, "first")
    sound = path.read_bytes()
    flip(path)
    assert only(check(place.store, repair=True).faults).is_set_aside
    assert not path.exists()
    assert (place.home / "damaged" / path.name).read_bytes() != sound
    assert only(check(place.store).faults).kind == "missing object"
    again = place.run()
    assert again.report.status == "succeeded"
    assert [each.cached for each in again.report.steps if each.name == "first"] == [False]
    assert path.read_bytes() == sound
    assert check(place.store).faults == ()


def test_an_object_with_no_name_of_one_is_named(place: Place) -> None:
    place.store.backend.put("objects/readme", b"hello")
    fault = only(check(place.store, repair=True).faults)
    assert (fault.kind, fault.key, fault.is_set_aside) == ("damaged object", "objects/readme", False)


def lost(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [lost, cut])
def test_a_resumed_run_makes_again_what_was_lost(place: Place, damage: Callable[[Path], None]) -> None:
    run = place.run(fails=True)
    assert run.report.status == "failed"
    damage(place.object_of(run, "first"))
    resumed = place.resume(run)
    assert resumed.report.status == "succeeded"
    assert place.executions() == 2
    (first,) = [each for each in resumed.report.steps if each.name == "first"]
    assert [each.number for each in first.attempts] == [1, 2]
    assert all(len(each.attempts) == 1 for each in resumed.report.steps if each.name in ("each", "tree"))
    assert not check(place.store).faults


def test_a_resumed_run_makes_nothing_again_that_is_there(place: Place) -> None:
    run = place.run(fails=True)
    assert place.resume(run).report.status == "succeeded"
    assert place.executions() == 1


def test_an_input_that_turns_out_damaged_is_made_again_within_the_resume(place: Place) -> None:
    run = place.run(fails=True)
    flip(place.object_of(run, "first"))
    resumed = place.resume(run)
    assert resumed.report.status == "succeeded"
    (last,) = [each for each in resumed.report.steps if each.name == "last"]
    assert [each.error.type for each in last.attempts if each.error][-1] == "DamagedError"
    assert place.executions() == 2


def test_a_cached_step_whose_value_was_lost_is_executed_on_resume(place: Place) -> None:
    place.run(fails=True)
    run = place.run(fails=True)
    assert run.report.status == "failed" and place.executions() == 1
    assert [each.cached for each in run.report.steps if each.name == "tree"] == [True]
    place.object_of(run, "tree").unlink()
    resumed = place.resume(run)
    assert resumed.report.status == "succeeded"
    assert [each.cached for each in resumed.report.steps if each.name == "tree"] == [False]
    assert not list(missing_artifacts(place.store, run.report.run))
