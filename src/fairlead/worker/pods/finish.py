"""The last pod of a run: ``python -m fairlead.worker.pods.finish --run …``. It writes down how the run ended."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.errors import FairleadError
from fairlead.store import claims
from fairlead.store.layout import spec_key
from fairlead.store.opening import open_backend
from fairlead.store.records import RunSpec, decode
from fairlead.worker.concluding import conclude


def main(arguments: Sequence[str] | None = None) -> int:
    """Conclude the run that the arguments name, unless it was taken over; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-finish")
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--revision", type=int, default=0)
    parser.add_argument("--generation", type=int, required=True)
    parser.add_argument("--cancels-before", type=int, default=0)
    given, _ = parser.parse_known_args(arguments)  # what other pods are told is of no use here
    try:
        backend = open_backend(given.store)
        key = spec_key(given.run, given.revision)
        spec = decode(backend.get(key), RunSpec, key=key)
        claim = claims.newest_claim(backend, given.run)
        if claim is not None and claim.number == given.generation:
            print(conclude(backend, spec, claim, cancels_before=given.cancels_before))
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
