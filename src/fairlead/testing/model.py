"""A back end beside a dict: random histories must leave both the same, step by step."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fairlead.errors import NotFoundError
from fairlead.store.backends import Backend, list_all

# Characters on both sides of the slash. A name ends in x and a folder does not, so that no key is a folder of another.
_PART = st.text("-.0a", min_size=1, max_size=2).filter(lambda part: part not in (".", ".."))
_KEYS = st.builds(lambda folders, name: "/".join([*folders, f"{name}x"]), st.lists(_PART, max_size=2), _PART)
_DATA = st.binary(max_size=40)


class _Machine(RuleBasedStateMachine):
    def __init__(self, backend: Backend, folder: str) -> None:
        super().__init__()
        self.backend, self.folder = backend, folder
        self.model: dict[str, bytes] = {}

    def expected(self, prefix: str, after: str = "") -> list[tuple[str, int]]:
        found = sorted((key.encode(), key) for key in self.model if key.startswith(prefix) and key > after)
        return [(self.folder + key, len(self.model[key])) for _, key in found]

    @rule(key=_KEYS, data=_DATA)
    def put(self, key: str, data: bytes) -> None:
        self.backend.put(self.folder + key, data)
        self.model[key] = data

    @rule(key=_KEYS, data=_DATA)
    def create(self, key: str, data: bytes) -> None:
        assert self.backend.create(self.folder + key, data) == (key not in self.model)
        self.model.setdefault(key, data)

    @rule(keys=st.sets(_KEYS, min_size=50, max_size=100), data=_DATA)
    def put_many(self, keys: set[str], data: bytes) -> None:
        for key in sorted(keys):
            self.put(key, data)

    @rule(key=_KEYS, drawn=st.data())
    def delete(self, key: str, drawn: st.DataObject) -> None:
        if self.model:
            key = drawn.draw(st.sampled_from([key, *sorted(self.model)]))
        self.backend.delete(self.folder + key)
        self.model.pop(key, None)

    @rule(key=_KEYS, start=st.integers(0, 50), length=st.none() | st.integers(0, 50), drawn=st.data())
    def get(self, key: str, start: int, length: int | None, drawn: st.DataObject) -> None:
        if self.model:
            key = drawn.draw(st.sampled_from([key, *sorted(self.model)]))
        if key not in self.model:
            with pytest.raises(NotFoundError):
                self.backend.get(self.folder + key, start, length)
            return
        stop = None if length is None else start + length
        assert self.backend.get(self.folder + key, start, length) == self.model[key][start:stop]

    @rule(parts=st.lists(_PART, max_size=2), after=_KEYS, limit=st.integers(1, 30))
    def list_some(self, parts: list[str], after: str, limit: int) -> None:
        prefix = "".join(f"{part}/" for part in parts)
        found = self.backend.list_after(self.folder + prefix, self.folder + after, limit)
        assert [(entry.key, entry.size) for entry in found] == self.expected(prefix, after)[:limit]

    @invariant()
    def both_list_the_same(self) -> None:
        assert [(entry.key, entry.size) for entry in list_all(self.backend, self.folder)] == self.expected("")


def check_against_model(backend: Backend, folder: str, examples: int) -> None:
    """Run random histories on a back end and on a dict, and compare after every step.

    Args:
        backend: The back end.
        folder: A prefix ending in ``/`` under which each history has a folder of its own.
        examples: How many histories, of at most 40 steps each.
    """
    serial = itertools.count()
    checks: list[Any] = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    # The library takes any maker of machines, and says so; its annotation names only classes.
    run_state_machine_as_test(
        cast(Any, lambda: _Machine(backend, f"{folder}{next(serial)}/")),
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, database=None, suppress_health_check=checks
        ),
    )
