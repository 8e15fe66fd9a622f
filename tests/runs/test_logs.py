"""Reading logs: in blocks, from the end, and where they grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.runs import logs
from fairlead.runs.finding import Target
from fairlead.runs.following import Watched
from fairlead.runs.lines import LINE_MAX, Lines, line_pattern
from fairlead.runs.logs import Log, list_tasks
from fairlead.store.layout import Task, log_key
from fairlead.store.opened import Store

RUN = "20261123-141256-k3f9x"
TASK = Task("fit", 0, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"), tmp_path / "host")


def write(store: Store, data: bytes, task: Task = TASK) -> Path:
    path = store.log_path(RUN, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)
    return path


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nb\n", b"\n\n\n", b"one\n\ntwo\nthree"])
@pytest.mark.parametrize("block", [1, 2, 3, 64])
def test_a_tail_is_the_last_lines(store: Store, data: bytes, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_BACKWARDS", block)
    write(store, data)
    lines = data.splitlines(keepends=True)
    for count in range(6):
        expected = b"".join(lines[len(lines) - count :]) if count < len(lines) else data
        assert data[Log(store, RUN, TASK).tail(count) :] == expected, count


def test_a_log_is_read_in_blocks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK", 4)
    write(store, b"0123456789")
    assert list(Log(store, RUN, TASK).blocks(1)) == [b"1234", b"5678", b"9"]


def test_files_of_others_are_no_logs(store: Store) -> None:
    folder = write(store, b"").parent
    for name in ("notes.txt", ".tmp.1.2.3", "fit"):
        (folder / name).touch()
    assert list_tasks(store, RUN) == {TASK}


def test_a_running_log_of_a_remote_store_is_read_from_its_spool(remote: Store) -> None:
    write(remote, b"so far")
    log = Log(remote, RUN, TASK)
    assert (list_tasks(remote, RUN), log.size(), b"".join(log.blocks())) == ({TASK}, 6, b"so far")


def test_a_log_of_a_remote_store_is_read_by_ranges(remote: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK", 5)
    remote.backend.put(log_key(RUN, TASK), b"one\ntwo\nthree\n")
    remote.backend.put(log_key(RUN, Task("fit", 0, 11)), b"another")
    log = Log(remote, RUN, TASK)
    assert (log.size(), log.tail(2), list(log.blocks(4))) == (14, 4, [b"two\nt", b"hree\n"])
    assert list_tasks(remote, RUN) == {TASK, Task("fit", 0, 11)}


def test_a_log_that_is_gone_is_empty(store: Store, remote: Store) -> None:
    for each in (store, remote):
        log = Log(each, RUN, TASK)
        assert (log.size(), log.read(0, 10), log.tail(3)) == (0, b"", 0)


def test_what_is_written_later_is_news_once(store: Store) -> None:
    write(store, b"before\n")
    watched = Watched(store, Target(RUN, "fit"), {TASK: 3}, None)

    def news() -> list[tuple[str, bytes]]:
        return [(log.title, data) for log, data in watched.news(whole=False)]

    assert news() == [("fit/0", b"ore\n")]
    write(store, b"after\n")
    write(store, b"again\n", Task("fit", 0, 2))
    write(store, b"rank\n", Task("fit", 1, 1, 3))
    write(store, b"not asked for\n", Task("load", 0, 1))
    assert news() == [("fit/0", b"after\n"), ("fit/0 attempt 2", b"again\n"), ("fit/1/3", b"rank\n")]
    assert news() == []


def test_news_of_a_remote_store_are_looked_for_at_the_end(remote: Store) -> None:
    watched = Watched(remote, Target(RUN), {}, None)
    remote.backend.put(log_key(RUN, TASK), b"elsewhere\n")
    assert list(watched.news(whole=False)) == []
    assert [data for _, data in watched.news(whole=True)] == [b"elsewhere\n"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_lines_do_not_depend_on_the_blocks(size: int) -> None:
    data = b"one\r\ntwo\n\nthree \xff\rfour\nlast"
    lines = Lines(line_pattern("^(two|$|.*four|last)"))
    found = [lines.feed(data[place : place + size]) for place in range(0, len(data), size)]
    assert b"".join([*found, lines.end()]) == b"two\n\nthree \xff\rfour\nlast"


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    lines = Lines()
    given = sum(len(lines.feed(b"x" * 1000)) for _ in range(3000))
    assert 3_000_000 - given <= LINE_MAX
    assert given + len(lines.end()) == 3_000_000


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is no regular expression"):
        line_pattern("a(b")


@pytest.mark.parametrize("task", [Task("fit", 0, 3), Task("fit", 0, 10), Task("fit", 0, 1, 12)])
def test_the_size_of_a_stored_log_is_its_own_among_many(remote: Store, task: Task) -> None:
    for number in range(1, 13):
        for each in (Task("fit", 0, number), Task("fit", 0, 1, number)):
            remote.backend.put(log_key(RUN, each), b"x" * (20 if each == task else 1))
    assert Log(remote, RUN, task).size() == 20
