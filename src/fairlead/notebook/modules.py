"""The module that the cells of this kernel are, for workers and for pickles.

It has a name and a place of its own beside the notebook, so that modules there are the project's as they are for
a file, but lies in no file there: its text travels in the run's code package. A copy for reading is kept in
``FAIRLEAD_HOME/notebooks``. Classes of cells count as the module's, so that instances of them pickle in the kernel
and in workers alike, and come back as instances of the kernel's own.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import msgspec

from fairlead.authoring.flows import Flow
from fairlead.authoring.tracing import Traced
from fairlead.errors import Fault, UsageError
from fairlead.naming import digest_bytes
from fairlead.notebook.cells import Cells, read_cells
from fairlead.notebook.exporting import Exported, export
from fairlead.notebook.renewing import renew_annotations
from fairlead.packaging.project import Project, find_project
from fairlead.packaging.texts import Texts, activate
from fairlead.runs.home import home
from fairlead.specs.steps import DriverStep, FunctionStep

_MAIN = "__main__"
_OBJECTS_MAX = 10_000
_adopted: dict[str, Any] = {}


def export_flow(shell: Any, flow: Flow[..., Any], parameters: Mapping[str, Any]) -> tuple[Project, Traced, Exported]:
    """Trace a flow as it is in the kernel, and make a module of what its steps need of the cells.

    Returns:
        The module's project, the graph with the module's functions, and what was exported.

    Raises:
        UsageError: They need what can't be exported; everything of that kind is named.
    """
    project = _project(shell)
    renew_annotations(shell.user_ns, frozenset({_MAIN, project.module}))
    traced = flow.trace(parameters)
    module = _fresh_module(project)
    adopt = _adopter(module)
    functions = {key: each for key, each in traced.functions.items() if _is_of_cells(each, project)}
    needed = {each.__qualname__ for each in functions.values()}
    for kind in _classes_in([*traced.constants.values()]):
        adopt(kind)
        needed.add(kind.__qualname__.partition(".")[0])
    cells, names = Cells(read_cells(shell)), shell.user_ns
    exported = export({*needed, flow.function.__name__}, cells, names, adopt)
    if exported.faults:  # the flow itself is in the module for readers; steps alone may do without what it uses
        exported = export(needed, cells, names, adopt)
    if exported.faults:
        raise _refusal(flow, exported.faults)
    _load(project, module, exported)
    own = {key: _named(module, each) for key, each in functions.items()}
    _take_classes(module, exported.names, names, adopt)
    return project, _renamed(traced, module.__name__, own), exported


def is_of_cells(flow: Flow[..., Any]) -> bool:
    """Say whether a flow is defined in a cell, and not in a file."""
    main = sys.modules[_MAIN]
    file = getattr(main, "__file__", None)
    return _is_own(flow.function) and flow.function.__code__.co_filename != file


def _project(shell: Any) -> Project:
    """Return a project whose file would lie beside the notebook."""
    visited = shell.user_ns.get("_dh")
    folder = Path(visited[0]) if isinstance(visited, list) and visited else Path.cwd()
    title = os.environ.get("JPY_SESSION_NAME") or shell.user_ns.get("__vsc_ipynb_file__") or "notebook"
    stem = re.sub(r"\W", "_", Path(str(title)).stem) + "_cells"
    if stem[:1].isdigit():
        stem = f"_{stem}"
    while (folder / f"{stem}.py").exists():
        stem += "_"
    return find_project(folder / f"{stem}.py")


def _fresh_module(project: Project) -> ModuleType:
    module = ModuleType(project.module)
    module.__file__ = str(project.file)
    module.__fairlead_cells__ = True  # type: ignore[attr-defined]  # by which exports know it
    vars(module).update(_adopted)  # what was pickled before can be loaded, whatever comes of this export
    sys.modules[project.module] = module
    return module


def _adopter(module: ModuleType) -> Callable[[Any], None]:
    def adopt(code: Any) -> None:
        if not _is_own(code) or "<locals>" in code.__qualname__:
            return
        code.__module__ = module.__name__
        name = code.__qualname__
        if "." not in name:
            setattr(module, name, code)
            _adopted[name] = code

    return adopt


def _is_own(code: Any) -> bool:
    """Say whether a function or class is of a cell, under the name it was made with or the module's."""
    return code.__module__ == _MAIN or _adopted.get(code.__qualname__.partition(".")[0]) is code


def _is_of_cells(function: Any, project: Project) -> bool:
    return getattr(function, "__module__", None) in (_MAIN, project.module)


def _classes_in(values: list[Any]) -> Iterator[type]:
    """Yield the cells' classes that values are made of, as far as a short look shows."""
    seen: set[int] = set()
    while values and len(seen) < _OBJECTS_MAX:
        value = values.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple | set | frozenset):
            values.extend(value)
        elif isinstance(value, dict):
            values += [*value, *value.values()]
        elif _is_own(type(value)):
            yield type(value)
            values.extend(getattr(value, "__dict__", {}).values())


def _load(project: Project, module: ModuleType, exported: Exported) -> None:
    """Execute the text as the module in this process, from where its parts are read for cache keys."""
    file, data = str(project.file), exported.source.encode()
    texts = Texts(project, {project.relative(file): data})
    texts.loaded[file] = data
    activate(texts)
    linecache.cache[file] = (len(data), None, exported.source.splitlines(keepends=True), file)
    _keep_copy(project, data)
    try:
        exec(compile(exported.source, file, "exec", dont_inherit=True), module.__dict__)
    except Exception as error:  # what the cells execute may raise anything
        lines = [each.lineno for each in _frames(error) if each.filename == file]
        place = exported.place(lines[-1]) if lines and lines[-1] else None
        raise UsageError(
            "the cells can't be imported as a module",
            where=place or file,
            why=f"{type(error).__name__}: {error}",
            next="run the cells in order in a fresh kernel, and mend what fails there",
        ) from error


def _frames(error: BaseException) -> Any:
    import traceback  # lazy: traceback, 4 ms; only on the way to an error

    return traceback.extract_tb(error.__traceback__)


def _keep_copy(project: Project, data: bytes) -> None:
    folder = home() / "notebooks"
    path = folder / f"{project.file.stem}-{digest_bytes(data)[:12]}.py"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)


def _take_classes(
    module: ModuleType, exported: frozenset[str], names: Mapping[str, Any], adopt: Callable[[Any], None]
) -> None:
    """Let the kernel's own classes be the module's, those of earlier exports included."""
    for name in exported:
        if isinstance(names.get(name), type):
            adopt(names[name])
    for name, code in list(_adopted.items()):
        if names.get(name) is not code:
            del _adopted[name]  # it was defined anew, as something else
        elif isinstance(code, type) or not hasattr(module, name):
            setattr(module, name, code)


def _named(module: ModuleType, function: Any) -> Any:
    found: Any = module
    for part in function.__qualname__.split("."):
        found = getattr(found, part)
    while not isinstance(found, FunctionType) and callable(getattr(found, "function", None)):
        found = found.function
    return found


def _renamed(traced: Traced, module: str, own: Mapping[str, Any]) -> Traced:
    """Let a graph name functions by the module that workers import."""
    steps = {
        key: msgspec.structs.replace(step, function=f"{module}:{step.function.partition(':')[2]}")
        if key in own and isinstance(step, FunctionStep | DriverStep)
        else step
        for key, step in traced.graph.steps.items()
    }
    graph = msgspec.structs.replace(traced.graph, steps=steps)
    return traced._replace(graph=graph, functions={**traced.functions, **own})


def _refusal(flow: Flow[..., Any], faults: tuple[Fault, ...]) -> UsageError:
    return UsageError(
        f"flow {flow.name!r} can't be exported from its cells",
        why="\n         ".join(map(str, faults)),
        next="mend the cells named above, run them, and run the flow again",
    )
