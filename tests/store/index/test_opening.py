"""Opening an index: new, old, newer, damaged, another program's, and by many processes at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fairlead.errors import DamagedError, FairleadError, MissingExtra, StoreError, UsageError
from fairlead.specs.reports import RunReport
from fairlead.store.index import opening
from fairlead.store.index.index import Index
from fairlead.store.index.migrating import MIGRATIONS
from fairlead.store.index.opening import open_index
from fairlead.store.index.tables import METADATA, SCHEMA_VERSION

from .writing import Runs

OLD = Path(__file__).with_name("old")


def test_the_migrations_make_the_tables(index: Index) -> None:
    with index._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    script = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])
    assert script.get_current_head() == SCHEMA_VERSION


@pytest.mark.parametrize("old", sorted(OLD.glob("*.sqlite")), ids=lambda each: each.stem)
def test_an_old_database_is_upgraded(old: Path, tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    shutil.copy(old, path)
    with open_index(f"sqlite:///{path}", tmp_path) as index:
        found = {each.run: each for each in index.runs(all=True)}
        assert {each.status for each in found.values()} == {"succeeded", "failed", "running"}
        (best,) = index.metric_table("accuracy", sort="last", limit=1)
        assert (best.run.params, best.run.labels, best.last) == ({"rows": 500}, {"team": "a"}, 0.875)
        assert [each.error for each in index.steps(status="failed")] == ["ValueError"]
        with index._engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == SCHEMA_VERSION


def test_many_processes_make_one_database(url: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fairlead.store.index.opening import open_index\n"
        "with open_index(sys.argv[1], Path(sys.argv[2])) as index: print(len(index.runs(all=True)))"
    )
    command = [sys.executable, "-c", code, url, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [each.communicate() for each in started]
    assert answers == [("0\n", "")] * 4


def test_a_sqlite_index_has_a_write_ahead_log(tmp_path: Path) -> None:
    with open_index(None, tmp_path) as index, index._engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
    assert (tmp_path / "index.sqlite").is_file()


def failure(url: str | None, home: Path) -> FairleadError:
    with pytest.raises(FairleadError) as caught:
        open_index(url, home)
    print(caught.value)
    return caught.value


def test_a_damaged_database_is_only_an_index(tmp_path: Path, runs: Runs, read: Callable[[str], RunReport]) -> None:
    runs.add()
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"no database, " * 1000)
    error = failure(None, tmp_path)
    assert isinstance(error, DamagedError)
    assert str(path) in str(error) and "only an index" in str(error) and "fairlead store rebuild" in str(error)
    with open_index(None, tmp_path, discard_damaged=True) as index:
        index.rebuild(runs.store, read)
        assert len(index.runs(all=True)) == 1


def test_damage_found_by_a_query_says_the_same(tmp_path: Path, runs: Runs, read: Callable[[str], RunReport]) -> None:
    with open_index(None, tmp_path) as index:
        for _ in range(20):
            runs.add()
        index.sync(runs.store, read)
    path = tmp_path / "index.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    with pytest.raises(DamagedError, match="only an index"), open_index(None, tmp_path) as index:
        index.runs(all=True)
    with open_index(None, tmp_path, discard_damaged=True) as index:
        index.rebuild(runs.store, read)
        assert len(index.runs(all=True)) == 20


def test_a_sound_database_is_not_discarded(tmp_path: Path, runs: Runs, read: Callable[[str], RunReport]) -> None:
    runs.add()
    with open_index(None, tmp_path) as index:
        index.sync(runs.store, read)
    with open_index(None, tmp_path, discard_damaged=True) as index:
        assert len(index.runs(all=True)) == 1


def test_a_newer_database_names_the_upgrade(url: str, tmp_path: Path) -> None:
    with open_index(url, tmp_path) as index, index._engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    error = failure(url, tmp_path)
    assert isinstance(error, DamagedError)
    assert "0999" in str(error) and "pip install --upgrade fairlead" in str(error)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    assert "another program" in str(failure(None, tmp_path))
    with pytest.raises(StoreError):
        open_index(None, tmp_path, discard_damaged=True)
    assert path.read_bytes() == before


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    error = failure(None, tmp_path)
    assert isinstance(error, StoreError) and "can't be opened" in str(error) and str(tmp_path) in str(error)
    (tmp_path / "file").write_text("")
    assert "FAIRLEAD_HOME" in str(failure(f"sqlite:///{tmp_path}/file/index.sqlite", tmp_path))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "postgersql://x/y", "/a/path", ""])
def test_a_url_of_no_index_is_refused(url: str, tmp_path: Path) -> None:
    error = failure(url, tmp_path)
    assert isinstance(error, UsageError) and "FAIRLEAD_INDEX" in str(error)


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    error = failure("postgresql://ana:s3cr%40t@127.0.0.1:1/index?sslpassword=hid%20den", tmp_path)
    assert isinstance(error, StoreError) and error.exit_code == 3
    assert "postgresql://ana@127.0.0.1:1/index" in str(error)
    text = f"{error} {error.__cause__}"
    assert not any(secret in text for secret in ("s3cr", "hid"))


def test_an_unreadable_port_is_refused_without_the_password(tmp_path: Path) -> None:
    error = failure("postgresql://ana:s3cret@host:port/index", tmp_path)
    assert isinstance(error, UsageError) and "s3cret" not in str(error)


def test_a_missing_driver_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    error = failure("postgresql://ana:s3cret@host/index", tmp_path)
    assert isinstance(error, MissingExtra) and "fairlead[postgres]" in str(error) and "s3cret" not in str(error)


def test_opening_modules_import_no_database_library() -> None:
    code = (
        "import sys, fairlead.store.index.opening\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'sqlite3') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_index_that_is_current_is_opened_without_alembic(tmp_path: Path) -> None:
    open_index(None, tmp_path).close()
    code = (
        "import sys; from pathlib import Path; from fairlead.store.index.opening import open_index\n"
        "open_index(None, Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
