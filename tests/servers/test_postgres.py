"""The PostgreSQL server of the tests starts, keeps what it is told, and goes away."""

from __future__ import annotations

import pytest

from servers import postgres
from servers.fixtures import start_or_skip

psycopg = pytest.importorskip("psycopg")


def test_a_server_starts_answers_and_leaves_nothing() -> None:
    server = start_or_skip(postgres.start)
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("select 6 * 7").fetchone() == (42,)
    finally:
        postgres.end(server)
    assert server.process.returncode == 0
    assert not server.folder.exists()
