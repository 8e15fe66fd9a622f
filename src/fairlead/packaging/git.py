"""Ask Git which files of a folder it tracks, and which it would track."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
"""Variables by which a hook of Git, for instance, speaks of another repository than the folder's."""
_GITLINK = b"160000"


class GitFailed(Exception):
    """Git is absent or refuses; the message says why."""


class GitFiles(NamedTuple):
    """Paths below a folder, with slashes: those that Git tracks, and others that it does not ignore."""

    tracked: set[str]
    untracked: set[str]


def git_files(folder: Path) -> GitFiles | None:
    """List the files of a folder by Git, those of submodules and of repositories within included.

    A file may be listed that is not there: its deletion is not committed yet.

    Returns:
        The files, or None where Git has no say: in no work tree, and where it knows or ignores everything, as in a
        home folder that is a repository.

    Raises:
        GitFailed: It is a work tree, but Git is not installed or refuses.
    """
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return None
    files = _list(folder)
    return files if files.tracked or files.untracked else None


def _list(folder: Path) -> GitFiles:
    tracked: set[str] = set()
    untracked: set[str] = set()
    inner: set[str] = set()
    for record in _ask(folder, "--cached", "--stage"):
        entry, _, name = record.partition(b"\t")
        (inner if entry.startswith(_GITLINK) else tracked).add(os.fsdecode(name))
    for name in _ask(folder, "--others", "--exclude-standard"):
        # With a slash at the end it is a repository within that is no submodule.
        (inner if name.endswith(b"/") else untracked).add(os.fsdecode(name.rstrip(b"/")))
    for path in inner:
        if (folder / path / ".git").exists():  # else it is a submodule that is not checked out
            files = _list(folder / path)
            tracked |= {f"{path}/{each}" for each in files.tracked}
            untracked |= {f"{path}/{each}" for each in files.untracked}
    return GitFiles(tracked, untracked)


def _ask(folder: Path, *options: str) -> list[bytes]:
    import subprocess  # lazy: subprocess, 8 ms; only where a project travels

    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL} | {"LC_ALL": "C"}
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", "ls-files", "-z", *options]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise GitFailed(error.strerror or str(error)) from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitFailed(lines[0] if lines else f"it ended with code {done.returncode}")
    return done.stdout.split(b"\0")[:-1]
