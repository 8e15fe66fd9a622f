"""Has every Python of a pod find a step's code: what Python runs at its start, where this folder is on its path.

`fairlead.worker.pods.arriving` writes down the folders, one in a line: ``packages``, ``code`` or ``own``, and the
folder. The step's packages come before those of the image, the project's modules before both, and Fairlead's own last.
Stands alone: there is nothing yet that it could import.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import site
import sys

LIST = "/fairlead-work/path"
_HERE = os.path.dirname(os.path.abspath(__file__))


def _add(lines: list[str]) -> None:
    folders = {kind: [line[len(kind) + 1 :] for line in lines if line.startswith(kind + " ")] for kind in _KINDS}
    before = list(sys.path)
    for folder in folders["packages"]:
        site.addsitedir(folder)
    added = [each for each in sys.path if each not in before]
    ends = ("site-packages", "dist-packages")
    images = [number for number, each in enumerate(before) if each.endswith(ends)]
    place = images[0] if images else len(before)
    sys.path[:] = [*folders["code"], *before[:place], *added, *before[place:], *folders["own"]]


def _next() -> None:
    """Run the image's own, which this one stands before."""
    others = [each for each in sys.path if os.path.abspath(each) != _HERE]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if found is not None and found.loader is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


_KINDS = ("packages", "code", "own")
if os.path.isfile(os.environ.get("FAIRLEAD_PATH", LIST)):
    with open(os.environ.get("FAIRLEAD_PATH", LIST), encoding="utf-8") as _file:
        _add(_file.read().splitlines())
_next()
