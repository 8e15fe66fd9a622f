"""A store for the tests of formats, one for each test file: its objects are immutable, and named by content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairlead.store.backends import Folder
from fairlead.store.values import Values


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    root = tmp_path_factory.mktemp("values")
    return Values(Folder(root / "store"), root / "host")


@pytest.fixture(scope="module")
def there_and_back(values: Values) -> Callable[[Any], tuple[str, Any]]:
    """Save a value and load it; gives the format's name too."""

    def go(value: Any) -> tuple[str, Any]:
        ref = values.save(value)
        assert values.save(value) == ref, "the same value has given two references"
        return ref.format, values.load(ref)

    return go
