"""Which files of a project never travel: what tools leave behind, what looks like a secret, what the user names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import UsageError
from fairlead.packaging.manifest import RESERVED

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".fairleadignore"
"""The file in a project's root that names what is not to travel, as a ``.gitignore`` does."""

LEFT_OUT = (
    ".git", ".hg", ".svn", ".jj", ".venv", "__pycache__", "*.py[co]", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".tox", ".nox", ".ipynb_checkpoints", "node_modules", "*.egg-info", ".eggs", "site-packages",
    ".idea", ".terraform", ".DS_Store", RESERVED,
)  # fmt: skip
"""Names that are left out at any depth, unless Git tracks the file."""
LEFT_OUT_OF_ROOT = ("build", "dist")
"""Names that are left out in the root alone: deeper they may be a package of that name."""
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
"""By what a folder is known to be a Python environment."""

SECRETS = (
    ".env", ".env.*", "*.env", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", ".git-credentials", ".pypirc", ".npmrc",
    ".dockercfg", "kubeconfig", "kubeconfig.*", "*.kubeconfig", "*credentials.json", "client_secret*.json",
    "secrets.toml", "*.tfstate", ".ssh", ".aws", ".azure", ".kube", ".gnupg",
)  # fmt: skip
"""Names of files, and of folders, that are left out with a note, unless Git tracks the file."""
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


_left_out, _secret = _any_of(LEFT_OUT), _any_of(SECRETS)


class Rules:
    """What is left out of one project.

    Args:
        root: The project's root.
        without: Folders that are left out, wherever they lie: of state and of stores.

    Raises:
        UsageError: The root has a ``.fairleadignore`` that can't be read.
    """

    def __init__(self, root: Path, without: Iterable[Path] = ()) -> None:
        self._spec = _ignore_file(root)
        self._without = {os.path.abspath(each) for each in without}

    def is_named(self, name: str) -> bool:
        """Say whether the user has named a file, by its path in the package."""
        return self._spec is not None and self._spec.match_file(name)

    def chosen(self, folder: Path, names: Iterable[str]) -> Iterator[str]:
        """Yield the files below a folder that are not left out, nor lie in a folder that is."""
        known = {"": False}

        def is_out(inner: str) -> bool:
            if inner not in known:
                known[inner] = is_out(inner.rpartition("/")[0]) or self._is_out(folder, inner, is_folder=True)
            return known[inner]

        for name in names:
            if not is_out(name.rpartition("/")[0]) and not self._is_out(folder, name, is_folder=False):
                yield name

    def walked(self, folder: Path) -> Iterator[str]:
        """Yield the path of every file and link below a folder, and look into nothing that is left out."""
        todo = [""]
        while todo:
            inner = todo.pop()
            try:
                entries = list(os.scandir(folder / inner))
            except OSError as error:
                raise unreadable(str(folder / inner), error) from error
            for entry in entries:
                name = f"{inner}/{entry.name}" if inner else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if self._is_out(folder, name, is_folder=is_folder):
                    continue
                if is_folder:
                    todo.append(name)
                else:
                    yield name

    def _is_out(self, folder: Path, name: str, *, is_folder: bool) -> bool:
        if _left_out.match(name.rpartition("/")[2]) or name in LEFT_OUT_OF_ROOT:
            return True
        path = os.path.join(folder, name)
        return is_folder and (
            path in self._without or any(os.path.exists(os.path.join(path, each)) for each in _ENVIRONMENT)
        )


def is_secret(name: str) -> bool:
    """Say whether a path, or a folder on it, has a name that secrets have."""
    return any(_secret.match(part) for part in name.lower().split("/") if part not in _EXAMPLES)


def unreadable(path: str, error: OSError) -> UsageError:
    """Say that a file or folder that is to travel can't be read."""
    return UsageError(
        f"cannot read {path}",
        why=error.strerror or str(error),
        next=f"make it readable, or name it in {IGNORE_FILE}",
    )


def _ignore_file(root: Path) -> GitIgnoreSpec | None:
    path = root / IGNORE_FILE
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", why=str(error), next="mend or remove it") from error
    from pathspec import GitIgnoreSpec  # lazy: pathspec, 15 ms; only where there is such a file

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise UsageError(f"cannot use {path}", why=str(error), next="write it as a .gitignore") from error
