"""A log that grows is in the store in pieces that are not written again without end, and whole afterwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engines.local.driving import wait_for
from fairlead.errors import StoreError
from fairlead.store.backends import Folder, list_all
from fairlead.store.layout import Task, log_key, metrics_key
from fairlead.store.segments import read_segments, segments_size
from fairlead.worker.pods import keeping
from fairlead.worker.pods.keeping import Keeper

NAME = Task("a", 0, 1)


class Counting(Folder):
    """A back end that counts writes, and fails where it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.puts: Counter[str] = Counter()
        self.fails = False

    def put(self, key: str, data: bytes) -> None:
        if self.fails:
            raise StoreError("the store is away")
        super().put(key, data)
        self.puts[key] += 1


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(keeping, "LOOK_S", 0.005)
    monkeypatch.setattr(keeping, "LOG_S", 0.01)
    monkeypatch.setattr(keeping, "_CLOSED", 10)
    monkeypatch.setattr(keeping, "_PIECE", 25)
    return Counting(tmp_path / "store")


def test_a_log_is_there_while_it_grows_and_whole_in_the_end(backend: Counting, tmp_path: Path) -> None:
    key, log, metrics = log_key("r", NAME), tmp_path / "log", tmp_path / "metrics"
    written = b""
    with Keeper(backend, "r", NAME, log, metrics) as keeper, log.open("ab", buffering=0) as file:
        for size in (4, 4, 4, 60, 1):
            text = bytes(range(len(written), len(written) + size))
            file.write(text)
            written += text
            wait_for(lambda: segments_size(backend, key) == len(written))  # noqa: B023  # waited for here
            assert read_segments(backend, key, 0, 1000) == written
        metrics.write_bytes(b"{}\n")
        wait_for(lambda: backend.puts[metrics_key("r", NAME)])
    starts = sorted(int(each.rpartition(".s")[2]) for each in backend.puts if ".s0" in each)
    assert starts == [0, 12, 37, 62, 72]  # closed with 10 bytes or more, and never more than 25 at once
    keeper.finish()
    assert [entry.key for entry in list_all(backend, "runs/r/logs/")] == [key]
    assert (backend.get(key), backend.get(metrics_key("r", NAME))) == (written, b"{}\n")


def test_a_store_that_is_away_for_a_while_loses_nothing(backend: Counting, tmp_path: Path) -> None:
    key, log = log_key("r", NAME), tmp_path / "log"
    backend.fails = True
    with Keeper(backend, "r", NAME, log, tmp_path / "metrics"):
        log.write_bytes(b"abc")
        (tmp_path / "metrics").write_bytes(b"{}\n")
        backend.fails = False
        wait_for(lambda: segments_size(backend, key) == 3)
        wait_for(lambda: backend.puts[metrics_key("r", NAME)])
    assert read_segments(backend, key, 0, 10) == b"abc"


def test_a_step_that_says_nothing_leaves_nothing(backend: Counting, tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with Keeper(backend, "r", NAME, tmp_path / "log", tmp_path / "metrics") as keeper:
        pass
    keeper.finish()
    assert list(list_all(backend, "runs/")) == []
