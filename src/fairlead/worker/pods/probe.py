"""A pod that opens the store and says so: ``python -m fairlead.worker.pods.probe --store URL``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.errors import FairleadError
from fairlead.store.opening import open_backend


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the store; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-probe")
    parser.add_argument("--store", required=True)
    given = parser.parse_args(arguments)
    try:
        backend = open_backend(given.store)
        backend.list_after("runs/", limit=1)
    except FairleadError as error:  # the edge of the process
        print(f"{error}", file=sys.stderr)
        return 1
    print(f"{backend.url} answers, and creates exclusively")
    return 0


if __name__ == "__main__":
    sys.exit(main())
