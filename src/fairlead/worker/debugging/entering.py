"""Become a shell, or another command, in a step's workplace: ``… entering FOLDER [COMMAND …]``.

It stands where the code is, with the variables of the step, and its modules can be imported.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from fairlead.worker.debugging.workplace import Workplace


def main(folder: str, *command: str) -> NoReturn:
    """Become the command; a shell where none is given."""
    place = Workplace(Path(folder))
    os.environ.update(place.environment())
    os.chdir(place.project().root)
    words = [*command] or [os.environ.get("SHELL") or shutil.which("bash") or "sh"]
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"fairlead: cannot run {words[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main(*sys.argv[1:])
