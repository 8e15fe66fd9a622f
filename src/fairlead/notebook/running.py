"""Running a flow from a cell, and showing runs: what `fairlead.runs` calls by name where IPython is at work."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fairlead.authoring.flows import Flow
from fairlead.authoring.tracing import Traced
from fairlead.engines.contract import Observer
from fairlead.errors import FairleadError
from fairlead.notebook.exporting import Exported
from fairlead.notebook.failures import Place, in_cells
from fairlead.notebook.modules import export_flow, is_of_cells
from fairlead.notebook.rendering import View, view_of
from fairlead.notebook.showing import bundle, follow
from fairlead.packaging.project import Project
from fairlead.runs.handles import Run
from fairlead.runs.launching import launch_traced, locate, parameters_of, resume
from fairlead.runs.options import Options
from fairlead.runs.settings import open_store
from fairlead.specs.reports import RunReport
from fairlead.store.history import read_spec

_places: dict[str, Place] = {}
"""Of each failed run of this kernel, how its lines are told as lines of cells."""
_shown: dict[str, int] = {}
"""Of the last run of a cell, the cell's number: its table stands there already."""


def run_in_cell(shell: Any, flow: Flow[..., Any], parameters: Mapping[str, Any], options: Options) -> Run:
    """Run a flow, of cells or of a file, and show it where it was started.

    Args:
        shell: The IPython shell.
        flow: The flow.
        parameters: Its parameters' values.
        options: How it is to be driven.

    Raises:
        UsageError, SpecError: It can't run; nothing was recorded.
        KeyboardInterrupt: The cell was interrupted; the run is cancelled, and can be resumed.
    """
    return _shown_in_cell(
        shell,
        lambda: _prepared(shell, flow, parameters),
        lambda project, traced, following: launch_traced(project, traced, options, following),
    )


def resume_in_cell(shell: Any, flow: Flow[..., Any], run: str, parameters: Mapping[str, Any]) -> Run:
    """Go on with a run of a flow with its code as it is in the kernel now. Raises as `run_in_cell` does."""
    spec = read_spec(open_store().backend, run)
    return _shown_in_cell(
        shell,
        lambda: _prepared(shell, flow, parameters_of(flow, spec, parameters)),
        lambda project, traced, following: resume(run, Options(), following, current=lambda _: (project, traced)),
    )


def _shown_in_cell(
    shell: Any,
    prepare: Callable[[], tuple[Project, Traced, Exported | None]],
    drive: Callable[[Project, Traced, Observer], Run],
) -> Run:
    """Drive a run from a cell, and show it there."""
    following = follow(shell)
    try:
        with _worker_environment():
            project, traced, exported = prepare()
            run = drive(project, traced, following)
    except FairleadError as error:
        _say_only(error, _in_cells(shell, str(error)))
        raise
    finally:
        following.close()
    if exported is not None and run.status == "failed":
        _places[run.id] = _place(project, exported)
    _shown.clear()
    _shown[run.id] = shell.execution_count
    following.close(_view(run.report))
    if run.status == "cancelled" and following.interrupted:
        said = f"run {run.id} was cancelled; go on with it: fairlead resume {run.id}"
        raise _say_only(KeyboardInterrupt(said), said)
    return run


def bundle_of(run: Run) -> dict[str, str]:
    """Return what a notebook shows of a run: its table, or its name in the cell that has the table already."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell = shell.execution_count if shell is not None and getattr(shell, "kernel", None) is not None else -1
    has_table = _shown.get(run.id) == cell
    return {"text/plain": repr(run)} if has_table else bundle(_view(run.report))


def _prepared(
    shell: Any, flow: Flow[..., Any], parameters: Mapping[str, Any]
) -> tuple[Project, Traced, Exported | None]:
    if is_of_cells(flow):
        return export_flow(shell, flow, parameters)
    project, flow = locate(flow)
    return project, flow.trace(parameters), None


def _view(report: RunReport) -> View:
    view = view_of(report)
    place = _places.get(report.run)
    if view.failure is None or place is None:
        return view
    return view._replace(failure=in_cells(view.failure, place))


def _place(project: Project, exported: Exported) -> Place:
    file = str(project.file)
    return lambda path, line: exported.place(line) if path == file else None


@contextmanager
def _worker_environment() -> Iterator[None]:
    """Let workers find what this kernel finds, and draw figures as they do outside of a notebook."""
    added = [each for each in sys.path if each and os.path.isdir(each) and not _is_of_python(each)]
    paths = [*added, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    changes = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    if "inline" in os.environ.get("MPLBACKEND", ""):
        changes["MPLBACKEND"] = "Agg"
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _is_of_python(folder: str) -> bool:
    return any(folder.startswith(prefix + os.sep) for prefix in {sys.prefix, sys.base_prefix})


def _say_only(error: BaseException, said: str) -> BaseException:
    """Have IPython show a message alone: the frames are ours, and the message says the user's line."""
    lines = f"{type(error).__name__}: {said}".splitlines()
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # IPython asks for it
    return error


def _in_cells(shell: Any, said: str) -> str:
    """Put the places of cells where a message has the names that their code was compiled under."""

    def place(found: re.Match[str]) -> str:
        named = shell.compile.format_code_name(found[1])
        return f"{' '.join(named)}, line {found[2]}" if named else found[0]

    return re.sub(r"([^\s:\[]+):(\d+)", place, said)
