"""The last pod of a run: ``python -m fairlead.worker.pods.finish --run …``. It writes down how the run ended.

With ``--as-ended`` it ends with 1 where the run has failed, for a controller that goes by that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fairlead.errors import FairleadError
from fairlead.store import claims
from fairlead.store.layout import spec_key
from fairlead.store.records import RunSpec, decode
from fairlead.worker.concluding import conclude
from fairlead.worker.pods.place import identity_parser, open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Conclude the run that the arguments name, unless it was taken over; returns the exit code."""
    parser = identity_parser("fairlead-finish")
    parser.add_argument("--as-ended", action="store_true")
    given = parser.parse_args(arguments)
    try:
        backend = open_store(given.store)
        key = spec_key(given.run, given.revision)
        spec = decode(backend.get(key), RunSpec, key=key)
        claim = claims.newest_claim(backend, given.run)
        if claim is not None and claim.number == given.generation:
            status = conclude(backend, spec, claim, cancels_before=given.cancels_before)
            print(status)
            return int(given.as_ended and status == "failed")
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
