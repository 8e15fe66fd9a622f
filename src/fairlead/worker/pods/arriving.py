"""Brings a step's code to a node of its framework's cluster, before that begins.

``python -m fairlead.worker.pods.arriving --run … --task STEP.INDEX.ATTEMPT``. Every Python of the node finds it then,
by the list of folders that is left for `fairlead.worker.pods.path.sitecustomize`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

import fairlead
from fairlead.errors import FairleadError
from fairlead.packaging.arriving import open_project
from fairlead.store.layout import parse_task, spec_key, task_key
from fairlead.store.records import RunSpec, decode
from fairlead.worker.pods.fetching import fetch_code, fetch_packages
from fairlead.worker.pods.place import open_store
from fairlead.worker.tasks import WorkerTask


def main() -> int:
    """Fetch and unpack it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-arriving")
    for name in ("store", "run", "task"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("revision", "generation"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    given, _ = parser.parse_known_args()
    try:
        _arrive(given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
    return 0


def _arrive(given: argparse.Namespace) -> None:
    backend = open_store(given.store)
    task = msgspec.msgpack.decode(backend.get(task_key(given.run, parse_task(given.task))), type=WorkerTask)
    key = spec_key(given.run, given.revision)
    code = fetch_code(backend, decode(backend.get(key), RunSpec, key=key), given.work)
    assert code.package is not None
    project = open_project(Path(code.package).read_bytes(), Path(code.file))
    packages = fetch_packages(backend, given.run, given.generation, task.step, given.work)
    own = [each for each in sys.path if _is_own(each)]
    folders = [("packages", packages)] * bool(packages)
    folders += [*(("code", each) for each in project.search_path), *(("own", each) for each in own)]
    (given.work / "path").write_text("".join(f"{kind} {folder}\n" for kind, folder in folders), encoding="utf-8")


def _is_own(entry: str) -> bool:
    """Say whether an entry of the path came with the worker."""
    return bool(entry) and Path(entry).resolve().is_relative_to(Path(fairlead.__file__).resolve().parents[2])


if __name__ == "__main__":
    sys.exit(main())
