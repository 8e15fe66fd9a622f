"""Publishing a flow: the same everywhere, whole, and once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairlead.authoring.tracing import Traced
from fairlead.errors import NotFoundError
from fairlead.packaging.project import Project
from fairlead.runs.launching import load_flow
from fairlead.runs.publishing import prepare, publish, unpublish
from fairlead.store.backends import list_all
from fairlead.store.layout import OBJECTS, PUBLISHED, object_key
from fairlead.store.opened import Store
from fairlead.store.publishing import list_published, read_published

FLOW = """
from fairlead import flow, step

FACTOR = 2

@step
def scaled(rows: tuple[int, ...], factor: int) -> list[int]:
    return [factor * each for each in rows]

@step
def each(row: tuple[int, int]) -> int:
    return sum(row)

@flow
def published_flow(factor: int = FACTOR):
    scaled((1, 2, 3), factor)
    each.map([(1, 2), (3, 4)])
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))


def project(folder: Path, text: str = FLOW) -> Path:
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "published_file.py").write_text(text)
    return folder / "published_file.py"


def traced(file: Path, **parameters: object) -> tuple[Project, Traced]:
    found, flow = load_flow(str(file), None)
    return found, flow.trace(parameters)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"), tmp_path / "host")


def test_equal_files_and_parameters_are_the_same_publication_in_every_folder(tmp_path: Path) -> None:
    first = prepare(*traced(project(tmp_path / "a")))
    second = prepare(*traced(project(tmp_path / "b/c")))
    assert first.publication == second.publication


def test_other_code_or_parameters_are_another(tmp_path: Path) -> None:
    file = project(tmp_path / "a")
    found = {prepare(*traced(file)).publication, prepare(*traced(file, factor=3)).publication}
    found.add(prepare(*traced(project(tmp_path / "b", FLOW.replace("factor * each", "each * factor")))).publication)
    assert len(found) == 3


def test_what_is_prepared_leaves_nothing(tmp_path: Path) -> None:
    prepare(*traced(project(tmp_path / "a")))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a"]


def test_a_published_flow_is_whole_and_names_no_folder_of_this_machine(tmp_path: Path, store: Store) -> None:
    done = publish(*traced(project(tmp_path / "a")), store)
    assert done.publication == prepare(*traced(tmp_path / "a/published_file.py")).publication
    published = read_published(store.backend, done.publication)
    assert published.code.file == "published_file.py"
    assert published.code.package is not None
    refs = [published.code.package, *published.constants.values(), *published.items.values()]
    assert len(refs) > 1 and all(store.values.exists(ref) for ref in refs)


def test_publishing_again_changes_nothing_and_mends_what_is_missing(tmp_path: Path, store: Store) -> None:
    arguments = traced(project(tmp_path / "a"))
    first = publish(*arguments, store)
    before = {
        each.key: each.modified for each in (*list_all(store.backend, OBJECTS), *list_all(store.backend, PUBLISHED))
    }
    assert publish(*arguments, store) == first
    after = {
        each.key: each.modified for each in (*list_all(store.backend, OBJECTS), *list_all(store.backend, PUBLISHED))
    }
    assert before == after
    package = read_published(store.backend, first.publication).code.package
    assert package is not None
    store.backend.delete(object_key(package.digest))
    publish(*arguments, store)
    assert store.values.exists(package)


def test_a_publication_is_removed_by_the_beginning_of_its_digest_if_that_is_clear(tmp_path: Path, store: Store) -> None:
    file = project(tmp_path / "a")
    found = [publish(*traced(file, factor=number), store).publication for number in range(2)]
    for text in ("published_flow", "published_flow/", "published_flow/zz", "other/0"):
        with pytest.raises(NotFoundError, match="published flows are meant"):
            unpublish(text, store)
    assert unpublish(f"published_flow/{found[0].digest[:12]}", store) == found[0]
    assert list_published(store.backend) == [found[1]]
    shutil.rmtree(tmp_path / "a")
