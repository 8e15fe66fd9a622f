"""A real Jupyter kernel that executes cells as a notebook does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from fairlead.runs.handles import Run
from fairlead.runs.reporting import read_report
from fairlead.store.opened import Store

SOURCE = Path(__file__).parents[2] / "src"


class Output:
    """What executing a cell showed."""

    def __init__(self, cell: Any) -> None:
        self._outputs = cell.outputs
        self.number = cell.execution_count

    @property
    def printed(self) -> str:
        return "".join(each.text for each in self._outputs if each.output_type == "stream")

    @property
    def tables(self) -> list[dict[str, str]]:
        return [each.data for each in self._outputs if each.output_type == "display_data"]

    @property
    def table(self) -> str:
        (only,) = self.tables
        return only["text/plain"]

    @property
    def html(self) -> str:
        (only,) = self.tables
        return only["text/html"]

    @property
    def value(self) -> str:
        (only,) = (each for each in self._outputs if each.output_type == "execute_result")
        return only.data["text/plain"]

    @property
    def error(self) -> str | None:
        return next(("\n".join(each.traceback) for each in self._outputs if each.output_type == "error"), None)

    @property
    def error_name(self) -> str | None:
        return next((each.ename for each in self._outputs if each.output_type == "error"), None)


class Client(NotebookClient):
    """Remembers what was shown in the place of something else, which outputs do not keep."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.__dict__.setdefault("updates", []).append(msg["content"]["data"]["text/plain"])
        return super().process_message(msg, cell, cell_index)


class Notebook:
    """Cells, executed one after the other by one kernel."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self.folder = folder
        self.store = Store(str(folder / "home"), folder / "home" / "host")

    def run(self, source: str) -> Output:
        cell = nbformat.v4.new_code_cell(dedent(source).strip())
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return Output(cell)

    def ok(self, source: str) -> Output:
        output = self.run(source)
        assert output.error is None, output.error
        return output

    def interrupted(self, source: str, *, once: Path) -> Output:
        """Execute a cell, and interrupt it as Jupyter does as soon as a file is there."""
        group = os.getpgid(int(self.ok("import os; os.getpid()").value))
        over = threading.Event()

        def interrupt() -> None:
            while not once.exists():
                if over.wait(0.02):
                    return
            os.killpg(group, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            return self.run(source)
        finally:
            over.set()
            thread.join()

    @property
    def updates(self) -> list[str]:
        """The tables that were replaced by others, and those that replaced them."""
        updates: list[str] = self._client.__dict__.setdefault("updates", [])
        return updates

    def report(self, run: str) -> Run:
        return Run(self.store, run, read_report(self.store.backend, run))


def open_notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    monkeypatch.setenv("FAIRLEAD_HOME", str(folder / "home"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / "work" / "explore.ipynb"))
    (folder / "work").mkdir()
    client = Client(
        nbformat.v4.new_notebook(),
        timeout=60,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder / "work")}},
    )
    with client.setup_kernel():
        yield Notebook(client, folder)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A kernel that the tests of a module share; each uses names of its own."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from open_notebook(tmp_path_factory.mktemp("notebook"), monkeypatch)
