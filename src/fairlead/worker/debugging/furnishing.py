"""Make a step's workplace in a pod: ``… furnishing FOLDER BYTES``, with the task in so many bytes of the input.

Inputs and code come from the store, which a pod reaches as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from fairlead.errors import FairleadError
from fairlead.store.layout import object_key
from fairlead.store.opening import open_backend
from fairlead.worker.debugging.workplace import Workplace
from fairlead.worker.tasks import WorkerTask


def main(folder: str, size: str) -> int:
    """Make it; returns the exit code."""
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(int(size)), type=WorkerTask)
    try:
        backend = open_backend(task.store)
        assert task.code.package is not None
        package = backend.get(object_key(task.code.package))
        Workplace(Path(folder)).furnish(task, package, backend, Path(folder).with_name("fetched"))
    except FairleadError as error:  # the edge of the process
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
