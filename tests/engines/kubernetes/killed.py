"""The command line in a process that kills itself: ``python killed.py POINT before|after ARGUMENT …``.

A point is a request that changes something, of the store or of the cluster, counted from 1; 0 kills nobody, and
prints how many there were.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from fairlead.cli.main import call
from fairlead.kube.api import Api
from fairlead.store.remote import Remote

POINT, PHASE = int(sys.argv[1]), sys.argv[2]
count = 0


def counted(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        global count
        count += 1
        if count == POINT and PHASE == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = method(*args, **kwargs)
        if count == POINT and PHASE == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return wrapped


for owner, names in ((Remote, ("create", "put", "put_file")), (Api, ("_send",))):
    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))

code = call(sys.argv[3:])
print(f"points {count}", file=sys.stderr)
sys.exit(code)
