"""The suite that every store back end must pass.

Subclass it in a test module and give it a ``backend`` fixture, new or shared::

    class TestMine(BackendContract):
        open_again = staticmethod(open_mine)

        @pytest.fixture
        def backend(self, tmp_path):
            return open_mine(f"mine://{tmp_path}")

It needs pytest and hypothesis, and tests behaviour only: nothing about speed, and nothing about what
becomes of a store without exclusive create, since such a store is no back end.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import ClassVar

import pytest

from fairlead.errors import NotFoundError, StoreError
from fairlead.store.backends import PAGE, Backend, list_all
from fairlead.store.opening import open_backend
from fairlead.testing.model import check_against_model
from fairlead.testing.racing import PATIENCE_S, content_of, race_to_create

THREADS = 8
PROCESSES = 4
ROUNDS = 20

NEIGHBOURS = (
    "a!",
    "a-",
    "a-b",
    "a.b",
    "a/-",
    "a/b",
    "a/b-",
    "a/c/d",
    "a/c0",
    "a0",
    "aa/b",
    "a~",
    "é",
    "\uff5e",
    "\U0001f600",
)
"""Keys in the order of their UTF-8 bytes, which is S3's; ``-`` and ``.`` are below ``/``, and ``0`` is above."""


class BackendContract:
    """What `Backend` promises, as tests. Objects are written under a new prefix in each."""

    open_again: ClassVar[Callable[[str], Backend]] = staticmethod(open_backend)
    """Opens the same back end in another process, from its URL."""

    model_examples: ClassVar[int] = 15
    """Random histories to compare with a dict; fewer for a store that is far away."""

    @pytest.fixture
    def folder(self) -> str:
        """Return a prefix of this test alone."""
        return f"contract-{uuid.uuid4().hex}/"

    # Writing and reading

    def test_get_returns_what_put_wrote(self, backend: Backend, folder: str) -> None:
        """Any bytes come back unchanged, and none at all too."""
        for number, data in enumerate((b"", b"\0", bytes(range(256)) * 300, b"\r\n\xff\xfe", "naïve".encode())):
            backend.put(f"{folder}{number}", data)
            assert backend.get(f"{folder}{number}") == data

    def test_put_replaces(self, backend: Backend, folder: str) -> None:
        """The last put is what is read, also when it is shorter."""
        backend.put(f"{folder}x", b"long content")
        backend.put(f"{folder}x", b"short")
        assert backend.get(f"{folder}x") == b"short"

    @pytest.mark.parametrize("key", ["a b", "100%", "a%2Fb", "ü", "+", "a=b", "a,b;c", "(1)", "#?&"])
    def test_keys_of_any_printable_characters(self, backend: Backend, folder: str, key: str) -> None:
        """A key is neither decoded, encoded nor cut by what carries it."""
        backend.put(f"{folder}{key}/{key}", b"1")
        assert backend.get(f"{folder}{key}/{key}") == b"1"
        assert keys(backend, f"{folder}{key}/") == [f"{folder}{key}/{key}"]

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "./a", "a/.", "a\0b", "a\nb", ".tmp.1"]
    )
    def test_a_key_that_leaves_the_store_is_refused(self, backend: Backend, key: str) -> None:
        """By every method, and before anything is touched."""
        for act in (
            lambda: backend.create(key, b""),
            lambda: backend.put(key, b""),
            lambda: backend.put_file(key, Path(__file__)),
            lambda: backend.get(key),
            lambda: backend.delete(key),
        ):
            with pytest.raises(StoreError, match="refused the key"):
                act()

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../../", "a", "a//"])
    def test_a_prefix_that_is_no_folder_of_the_store_is_refused(self, backend: Backend, prefix: str) -> None:
        """A prefix is empty or a folder ending in a slash."""
        with pytest.raises(StoreError, match="refused the key"):
            backend.list_after(prefix)

    @pytest.mark.parametrize(
        ("start", "length", "part"),
        [
            (0, None, b"0123456789"),
            (3, None, b"3456789"),
            (3, 4, b"3456"),
            (0, 1, b"0"),
            (9, 1, b"9"),
            (8, 100, b"89"),
            (10, None, b""),
            (10, 5, b""),
            (1000, 5, b""),
            (0, 0, b""),
            (4, 0, b""),
            (1000, 0, b""),
        ],
    )
    def test_get_returns_the_part_of_a_range_that_exists(
        self, backend: Backend, folder: str, start: int, length: int | None, part: bytes
    ) -> None:
        """A range past the end is cut, and empty where nothing is left of it."""
        backend.put(f"{folder}x", b"0123456789")
        assert backend.get(f"{folder}x", start, length) == part

    def test_ranges_of_an_empty_object_are_empty(self, backend: Backend, folder: str) -> None:
        """Where HTTP has no way to say so."""
        backend.put(f"{folder}x", b"")
        assert [backend.get(f"{folder}x", *part) for part in ((0, None), (0, 0), (0, 9), (5, None))] == [b""] * 4

    def test_get_of_a_missing_object(self, backend: Backend, folder: str) -> None:
        """It is not found, whichever part is asked for, and also below and above an object that is there."""
        backend.put(f"{folder}a/b", b"1")
        for key in ("nothing", "a", "a/c", "a/b/c"):
            for part in ((0, None), (0, 0), (5, None), (5, 5)):
                with pytest.raises(NotFoundError):
                    backend.get(f"{folder}{key}", *part)

    def test_put_file(self, backend: Backend, folder: str, tmp_path: Path) -> None:
        """A file's bytes arrive whole, over what was there, and also from an empty file."""
        for number, data in enumerate((b"", b"few", bytes(range(256)) * 80_000)):
            (tmp_path / "file").write_bytes(data)
            backend.put(f"{folder}{number}", b"old")
            backend.put_file(f"{folder}{number}", tmp_path / "file")
            assert backend.get(f"{folder}{number}") == data

    def test_put_file_of_a_missing_file(self, backend: Backend, folder: str, tmp_path: Path) -> None:
        """Nothing is written."""
        with pytest.raises(StoreError):
            backend.put_file(f"{folder}x", tmp_path / "missing")
        assert keys(backend, folder) == []

    def test_delete_can_be_repeated(self, backend: Backend, folder: str) -> None:
        """Deleting what is not there, or a folder of objects, does nothing."""
        backend.put(f"{folder}a/b", b"1")
        for key in ("a", "nothing", "a/nothing", "a/b/c", "no/such/folder"):
            backend.delete(f"{folder}{key}")
        assert keys(backend, folder) == [f"{folder}a/b"]
        backend.delete(f"{folder}a/b")
        backend.delete(f"{folder}a/b")
        assert keys(backend, folder) == []
        backend.put(f"{folder}a/b", b"2")
        assert backend.get(f"{folder}a/b") == b"2"

    # Exclusive create

    def test_create_writes_once(self, backend: Backend, folder: str) -> None:
        """The second create changes nothing; after a deletion the key is free again."""
        assert backend.create(f"{folder}x", b"first")
        assert not backend.create(f"{folder}x", b"second")
        assert backend.get(f"{folder}x") == b"first"
        backend.delete(f"{folder}x")
        assert backend.create(f"{folder}x", b"")
        assert not backend.create(f"{folder}x", b"")

    def test_create_yields_to_put(self, backend: Backend, folder: str) -> None:
        """What was put is there, so it cannot be created."""
        backend.put(f"{folder}x", b"put")
        assert not backend.create(f"{folder}x", b"created")
        assert backend.get(f"{folder}x") == b"put"

    def test_one_of_many_threads_creates(self, backend: Backend, folder: str) -> None:
        """One wins each round, and the content is the winner's."""
        rounds, start = [f"{folder}{number:03}" for number in range(ROUNDS)], Barrier(THREADS)

        def race(racer: int) -> list[bool]:
            won = []
            for key in rounds:
                start.wait(PATIENCE_S)
                won.append(backend.create(key, content_of(racer)))
            return won

        with ThreadPoolExecutor(THREADS) as pool:
            check_race(backend, rounds, list(pool.map(race, range(THREADS))))

    def test_one_of_many_processes_creates(self, backend: Backend, folder: str) -> None:
        """One wins each round, and the content is the winner's."""
        rounds = [f"{folder}{number:03}" for number in range(ROUNDS)]
        check_race(backend, rounds, race_to_create(type(self).open_again, backend.url, rounds, PROCESSES))

    # Listing

    def test_listing_is_in_the_order_of_the_keys_bytes(self, backend: Backend, folder: str) -> None:
        """As S3 lists, with every key as a place to go on from."""
        names = [f"{folder}{name}" for name in NEIGHBOURS]
        write_all(backend, reversed(names))
        assert keys(backend, folder) == names
        for number, name in enumerate(names):
            assert keys(backend, folder, after=name) == names[number + 1 :]

    def test_listing_goes_on_after_a_key_that_is_not_there(self, backend: Backend, folder: str) -> None:
        """Before, between and behind the keys, inside folders and outside the prefix."""
        write_all(backend, [f"{folder}{name}" for name in NEIGHBOURS])
        places = ["", "a", "a/", "a/a", "a/b/c", "a/c", "a/c/", "a/c/e", "a/zz", "a-c", "a00", "zz", "\U0001f601"]
        for place in places:
            expected = [f"{folder}{name}" for name in NEIGHBOURS if name.encode() > place.encode()]
            assert keys(backend, folder, after=f"{folder}{place}") == expected
        assert keys(backend, folder, after="contract") == [f"{folder}{name}" for name in NEIGHBOURS]
        assert keys(backend, folder, after="contracu") == []

    def test_a_prefix_is_a_whole_folder(self, backend: Backend, folder: str) -> None:
        """Neighbours that share its first letters are not in it, and an object is no folder."""
        write_all(backend, [f"{folder}{name}" for name in NEIGHBOURS])
        assert keys(backend, f"{folder}a/") == [f"{folder}{name}" for name in NEIGHBOURS if name.startswith("a/")]
        assert keys(backend, f"{folder}a/c/") == [f"{folder}a/c/d"]
        assert keys(backend, f"{folder}a0/") == []
        assert keys(backend, f"{folder}nothing/here/") == []
        assert f"{folder}a-b" in keys(backend, "")

    def test_listing_pages(self, backend: Backend, folder: str) -> None:
        """More than a page of keys comes in pages, each key once."""
        names = [f"{folder}{number // 7:03}/{number:05}" for number in range(PAGE + 150)]
        write_all(backend, names)
        assert [entry.key for entry in backend.list_after(folder)] == names[:PAGE]
        assert keys(backend, folder) == names
        assert [entry.key for entry in backend.list_after(folder, names[4], 3)] == names[5:8]

    def test_an_entry_tells_size_and_time(self, backend: Backend, folder: str) -> None:
        """In bytes, and in seconds since 1970 by a clock that is roughly this one."""
        backend.put(f"{folder}x", b"12345")
        (entry,) = backend.list_after(folder)
        assert entry.size == 5
        assert abs(entry.modified - time.time()) < 300

    # All of it

    def test_any_history_ends_as_that_of_a_dict(self, backend: Backend, folder: str) -> None:
        """Random operations on a few hundred keys, step by step beside a model."""
        check_against_model(backend, folder, type(self).model_examples)


def keys(backend: Backend, prefix: str, after: str = "") -> list[str]:
    """List all keys under a prefix."""
    return [entry.key for entry in list_all(backend, prefix, after)]


def write_all(backend: Backend, names: Iterable[str]) -> None:
    """Put an object under each name, a few at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda name: backend.put(name, b"1"), names))


def check_race(backend: Backend, rounds: list[str], won: list[list[bool]]) -> None:
    """Check that every round had one winner, whose content is there."""
    assert [len(each) for each in won] == [len(rounds)] * len(won)
    for number, key in enumerate(rounds):
        winners = [racer for racer, each in enumerate(won) if each[number]]
        assert len(winners) == 1, f"{len(winners)} racers created {key}"
        assert backend.get(key) == content_of(winners[0])
