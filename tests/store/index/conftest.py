"""A store with runs written as records, and an index of it on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport
from fairlead.store.index.index import Index
from fairlead.store.index.opening import open_index
from fairlead.store.opened import Store

from .writing import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return a writer of runs into an empty store."""
    return Runs(Store(str(tmp_path / "store"), tmp_path / "host"))


@pytest.fixture
def read(runs: Runs) -> Callable[[str], RunReport]:
    """Return what reads a run's report from that store."""
    return lambda run: read_report(runs.store.backend, run)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    server: str = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(server.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA IF EXISTS fairlead CASCADE"))
    engine.dispose()
    return server


@pytest.fixture
def index(url: str, tmp_path: Path) -> Iterator[Index]:
    """Return an open index on each database."""
    with open_index(url, tmp_path) as opened:
        yield opened
