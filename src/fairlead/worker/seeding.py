"""Seeding ``random`` and NumPy, now or when the user's code imports NumPy later."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def seed_everything(seed: int) -> None:
    """Seed the global random states, so that forked processes never share one."""
    random.seed(seed)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _SeedNumPy)]
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(seed)
    else:
        sys.meta_path.insert(0, _SeedNumPy(seed))


class _SeedNumPy:
    """Seeds ``numpy.random`` once it has been imported: importing NumPy only to seed it would cost 100 ms."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "numpy.random":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            _seed_after(spec.loader, self._seed)
        return spec


def _seed_after(loader: Any, seed: int) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        module.seed(seed)

    loader.exec_module = exec_module
