"""A step of one process in a pod of a pipeline, which wants every fact in a file that it names itself.

    python -m fairlead.worker.pods.telling --tell when-0=FILE --tell count-0=FILE … and what `pods.main` is told

A condition is told as ``true`` or ``false``, and a list as the numbers of its items, which a pipeline loops over. A
step that was skipped tells what starts nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from fairlead.worker.ending import leave
from fairlead.worker.pods.children import TASK
from fairlead.worker.pods.pod import in_spare, run_pod
from fairlead.worker.pods.spare import spared


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the instance that the arguments name, and tell its facts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-pod", add_help=False)
    parser.add_argument("--tell", action="append", default=[])
    parser.add_argument("--facts", type=Path, required=True)
    given, rest = parser.parse_known_args(arguments)
    with spared(TASK) as spare:
        code = run_pod([*rest, f"--facts={given.facts}"], in_spare(spare))
    if code == 0:
        for each in given.tell:
            name, _, file = each.partition("=")
            tell(given.facts / name, Path(file))
    return code


def tell(fact: Path, file: Path) -> None:
    """Write a fact as a pipeline reads it; a fact that is not there is one of a step that was skipped."""
    said = fact.read_text() if fact.exists() else ""
    if fact.name.startswith("when"):
        text = said or "false"
    else:
        text = json.dumps([str(item) for item in range(int(said or 0))])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    leave(main())
