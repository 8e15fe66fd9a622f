"""What is said when a flow's file can't be imported: the user's lines, not ours nor Python's machinery's."""

from __future__ import annotations

import os
from types import ModuleType, TracebackType

from fairlead.errors import UsageError, nearest
from fairlead.packaging.project import Project
from fairlead.packaging.texts import Texts

FRAMES_MAX = 5
_MESSAGE_MAX = 300
_MARGIN = "\n         "

_DISTRIBUTIONS = {
    "Bio": "biopython",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Modules of the field whose distribution has another name."""


def check_file(project: Project, texts: Texts) -> None:
    """Raise unless there is a file to import.

    Raises:
        UsageError: The flow's file does not exist, or is a folder.
    """
    path = str(project.file)
    if texts.is_file(path):
        return
    if os.path.isdir(path):
        known = _python_files(path)
        raise UsageError(
            f"cannot import {project.file.name}",
            where=path,
            why="it is a folder",
            next=f"name the flow's file in it; {nearest('flow.py', known)}" if known else "name the flow's file",
        )
    raise UsageError(
        f"cannot import {project.file.name}",
        where=path,
        why="there is no such file",
        next=nearest(project.file.name, _python_files(str(project.folder))) or "check the path",
    )


def wrong_file(project: Project, module: ModuleType) -> UsageError:
    """Say that another file answered to the module's name."""
    return UsageError(
        f"cannot import {project.file.name}",
        where=str(project.file),
        why=f"the name {project.module!r} belongs to {getattr(module, '__file__', None) or 'a module without a file'}",
        next="rename the file",
    )


def import_failure(project: Project, texts: Texts, error: BaseException) -> UsageError:
    """Turn what was raised while the file was imported into the four answers."""
    frames = _user_frames(project, error.__traceback__)
    where = f"{frames[-1][0]}:{frames[-1][1]}" if frames else str(project.file)
    match error:
        case SyntaxError(filename=str(file)) if project.is_project_file(file):
            where, why, advice = _explain_syntax(file, error)
        case ModuleNotFoundError(name=str(name)):
            why = f"there is no module {name!r}{_trail(frames)}"
            advice = _where_to_get(texts, name)
        case SystemExit():
            why = f"it ends the process while it is imported (exit {error.code}){_trail(frames)}"
            advice = 'put what starts the work below: if __name__ == "__main__":'
        case _:
            why = _brief(error) + _trail(frames)
            advice = f"correct it; the whole traceback: python {project.file}"
    return UsageError(f"cannot import {project.file.name}", where=where, why=why, next=advice)


def _explain_syntax(file: str, error: SyntaxError) -> tuple[str, str, str]:
    text = (error.text or "").strip()
    why = f"{type(error).__name__}: {error.msg}" + (f": {text}" if text else "")
    return f"{file}:{error.lineno or 1}", why, "correct the line"


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    kind = type(error).__name__
    return f"{kind}: {text[:_MESSAGE_MAX]}" if text else kind


def _user_frames(project: Project, trace: TracebackType | None) -> list[tuple[str, int, str]]:
    """Return file, line and function of each frame in the project's files, outermost first."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if project.is_project_file(code.co_filename):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return frames


def _trail(frames: list[tuple[str, int, str]]) -> str:
    import linecache  # lazy: linecache, 3 ms; only on the way to an error

    shown = [
        f"{os.path.basename(file)}:{line} in {function}: {linecache.getline(file, line).strip()}"
        for file, line, function in frames[-FRAMES_MAX:]
    ]
    return "".join(_MARGIN + line for line in shown)


def _where_to_get(texts: Texts, name: str) -> str:
    texts.refresh()
    top, _, rest = name.partition(".")
    project = texts.project
    own = [file[:-3] for entry in project.search_path for file in _python_files(entry) if file != project.file.name]
    if rest and (top in own or texts.locate(top)):
        return f"check the name: the project has {top}, but no {name}"
    close = nearest(top, own)
    install = f"pip install {_DISTRIBUTIONS.get(top, top)}"
    return f"{install}; or {close}" if close.startswith("did you mean") else install


def _python_files(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    except OSError:  # a folder that is not there has no files to propose
        return []
