"""Stores that are not of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.store.opened import Store


@pytest.fixture
def remote(tmp_path: Path) -> Store:
    """A remote store in memory, whose logs are spooled on this machine."""
    pytest.importorskip("obstore")
    from fairlead.store.remote import Remote

    store = Store(str(tmp_path / "unused"), tmp_path / "host")
    store.backend = Remote("memory://")
    return store
