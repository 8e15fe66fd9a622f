"""The project's own images: the one that delivers the worker, made of the package's wheel, and the examples'."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import images, versions
from .commands import run
from .faults import BuildFailed
from .state import CHECKOUT

_FILES = CHECKOUT / "images"
_CONSTRAINTS = CHECKOUT / "requirements/dev.txt"


def worker_tag() -> str:
    """Return the name of the worker's image, which changes with every file of the package."""
    sources = sorted(path for path in (CHECKOUT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return _tag(
        "worker", [part for path in sources for part in (str(path.relative_to(CHECKOUT)).encode(), path.read_bytes())]
    )


def examples_tag() -> str:
    """Return the name of the examples' image."""
    return _tag("examples", [])


def worker() -> str:
    """Build the worker's image, import it into the running testbed, and return its name."""
    return _load("worker", worker_tag(), _wheel)


def examples() -> str:
    """Build the examples' image, import it into the running testbed, and return its name."""
    return _load("examples", examples_tag(), lambda context: None)


def _tag(name: str, parts: list[bytes]) -> str:
    files = sorted((_FILES / name).iterdir())
    content = [*parts, *(path.read_bytes() for path in files), _CONSTRAINTS.read_bytes(), images.python_tag().encode()]
    return f"localhost/fairlead-{name}:{versions.digest(content)}"


def _load(name: str, tag: str, fill: Callable[[Path], object]) -> str:
    with tempfile.TemporaryDirectory(prefix=f"fairlead-{name}-") as made:
        context = Path(made)
        shutil.copytree(_FILES / name, context, dirs_exist_ok=True)
        shutil.copy(_CONSTRAINTS, context / "constraints.txt")
        fill(context)
        images.load(context / "Containerfile", context, tag)
    return tag


def _wheel(context: Path) -> None:
    """Build the package's wheel into a folder."""
    command = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", context)
    run(*command, where=CHECKOUT, failure=BuildFailed)
