"""What is published is kept, checked and removed like what a run refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.errors import DamagedError, NotFoundError
from fairlead.naming import RunId
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.steps import FunctionStep
from fairlead.specs.values import Ref
from fairlead.store.checking import check
from fairlead.store.collecting import collect, plan_collection
from fairlead.store.layout import PUBLISHED, object_key, published_key
from fairlead.store.opened import Store
from fairlead.store.publishing import Publication, list_published, publication_of, read_published, run_of
from fairlead.store.records import Code, Published, encode

GRAPH = Graph(flow="f", steps={"s": FunctionStep(name="s", function="m:s")}, nodes=(Node(step="s"),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path), tmp_path / "host")


def record(store: Store, text: str = "value") -> Published:
    """A record that refers to a package, a constant, and a list with an item."""
    item = store.values.save(f"{text} item")
    items = store.values.keep(b"[[" + encode(item) + b"]]", "items")
    code = Code(file="flow.py", module="flow", package=store.values.keep(text.encode(), "package"))
    return Published(graph=GRAPH, code=code, constants={"c": store.values.save(text)}, items={"c": items})


def put(store: Store, published: Published) -> Publication:
    publication = publication_of(published)
    store.backend.create(published_key(*publication), encode(published))
    return publication


def collected(store: Store) -> int:
    return len(collect(store, plan_collection(store, 0.0)).garbage)


def test_what_is_published_is_no_garbage_until_it_is_removed(store: Store) -> None:
    publication = put(store, record(store))
    store.values.save("forgotten")
    assert collected(store) == 1
    assert not check(store).faults
    store.backend.delete(published_key(*publication))
    assert collected(store) == 4


def test_a_missing_value_is_told_with_who_needs_it(store: Store) -> None:
    published = record(store)
    publication = put(store, published)
    assert isinstance(published.code.package, Ref)
    store.backend.delete(object_key(published.code.package.digest))
    (fault,) = check(store).faults
    assert fault.kind == "missing object"
    assert fault.used_by == (f"published/{publication}",)


def test_a_record_that_cannot_be_read_stops_a_collection_and_is_told(store: Store) -> None:
    store.backend.create(published_key("f", "1" * 64), b"{")
    with pytest.raises(DamagedError, match="published/f/1111"):
        plan_collection(store, 0.0)
    assert [(fault.kind, fault.key) for fault in check(store).faults] == [
        ("damaged record", f"{PUBLISHED}f/{'1' * 64}")
    ]


def test_publications_are_listed_and_read_by_flow_and_digest(store: Store) -> None:
    found = [put(store, record(store, text)) for text in ("one", "two")]
    assert sorted(list_published(store.backend)) == sorted(list_published(store.backend, "f")) == sorted(found)
    assert list_published(store.backend, "g") == []
    assert publication_of(read_published(store.backend, found[0])) == found[0]
    with pytest.raises(NotFoundError, match="not published as 000000000000"):
        read_published(store.backend, Publication("f", "0" * 64))


def test_a_run_of_it_has_its_graph_code_and_values_and_the_same_bytes_again(store: Store) -> None:
    published = record(store)
    made = [
        run_of(published, RunId("r"), 1.0, labels={"a": "b"}, use_cache=False, host="w", context="c") for _ in range(2)
    ]
    assert encode(made[0]) == encode(made[1])
    assert (made[0].graph, made[0].code, made[0].constants) == (published.graph, published.code, published.constants)
    assert (made[0].labels, made[0].use_cache, made[0].host, made[0].context) == ({"a": "b"}, False, "w", "c")
