"""Run a recorded step again, with exactly its inputs: ``again [--pdb | --python]``.

    --pdb      stop in Python's debugger where it fails
    --python   do not run it: open an interactive Python that has its function and its inputs

The code is what is in the folder now. Nothing is recorded, and what the step returns stays in the folder.
"""

from __future__ import annotations

import argparse
import code
import pdb
import reprlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fairlead.errors import FairleadError
from fairlead.packaging.loading import import_project
from fairlead.store.backends import Folder
from fairlead.store.values import Values
from fairlead.worker import context, failures
from fairlead.worker.debugging.workplace import AGAIN, Workplace
from fairlead.worker.functions import Modules
from fairlead.worker.running import exit_code, find_function, load_input, perform, set_up_process
from fairlead.worker.tasks import WorkerTask


def main(arguments: Sequence[str]) -> int:
    """Run the step of a folder; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=AGAIN, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help=argparse.SUPPRESS)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--pdb", action="store_true", help="stop in Python's debugger where it fails")
    how.add_argument("--python", action="store_true", help="open an interactive Python with its function and inputs")
    given = parser.parse_args(arguments)
    return _Again(Workplace(given.folder)).run(stop=given.pdb, look=given.python)


class _Again:
    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._task: WorkerTask = place.task()
        self._values = Values(Folder(Path(self._task.store)), Path(self._task.host))
        self._root = ""

    def run(self, *, stop: bool, look: bool) -> int:
        """Run it, or look at it; where it fails, say why, and stop there if that is wanted."""
        set_up_process(self._task)
        task = self._task
        volumes = context.placed(task.step, task.volumes)
        attempt = context.Attempt(0, Path(task.checkpoints), Path(task.metrics), _ignore, volumes=volumes)
        context.set_current(attempt)
        try:
            function = self._function()
            return self._look(function) if look else self._call(function, attempt)
        except (Exception, SystemExit) as error:  # the edge of the user's code
            self._tell(error)
            if stop:
                cause = error.__cause__ if isinstance(error, FairleadError) and error.__cause__ else error
                pdb.post_mortem(cause.__traceback__)
            return exit_code(error)
        finally:
            attempt.close()

    def _function(self) -> Callable[..., Any]:
        project = self._place.project()
        self._root = str(project.root)
        import_project(project)
        return find_function(self._task.step, Modules(project))

    def _call(self, function: Callable[..., Any], attempt: context.Attempt) -> int:
        begun = time.monotonic()
        outcome = perform(self._task, function, self._values, self._root)
        _say(f"{self._task.step.name} returned after {time.monotonic() - begun:.1f} s")
        for ref in outcome.outputs:
            _say(f"  {ref.type.removeprefix('builtins.')}  {reprlib.repr(self._values.load(ref))}")
        for name, summary in attempt.summaries.items():
            _say(f"  logged {name} = {summary.last:g}")
        return 0

    def _look(self, function: Callable[..., Any]) -> int:
        inputs = {name: load_input(self._values, given) for name, given in self._task.inputs.items()}
        name = getattr(function, "__name__", "function")
        call = f"{name}({', '.join(f'{each}={each}' for each in inputs)})"
        code.interact(f"{call} runs the step", local={name: function, **inputs}, exitmsg="")
        return 0

    def _tell(self, error: BaseException) -> None:
        sys.stdout.flush()
        said = f"error: {error}\n" if isinstance(error, FairleadError) else failures.report(error, self._root).traceback
        sys.stderr.write(said)
        sys.stderr.flush()


def _ignore(message: Any) -> None:
    """Nobody listens to what is logged here."""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
