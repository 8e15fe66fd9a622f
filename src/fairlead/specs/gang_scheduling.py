"""Which scheduler of a cluster places the pods of a gang together or not at all: said by a context.

Kueue needs none of this: it admits a gang as a whole before its pods are there.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_FORMS = "'volcano', 'volcano QUEUE', 'coscheduling' or 'coscheduling SCHEDULER'"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_SCHEDULER = "scheduler-plugins-scheduler"
"""The name that the chart of the scheduler plugins gives theirs."""


class GangScheduler(NamedTuple):
    """The scheduler.

    Attributes:
        kind: ``volcano``, or ``coscheduling`` of the Kubernetes scheduler plugins.
        name: As pods name it.
        queue: Volcano's queue; its own default one where this is empty.
    """

    kind: Literal["volcano", "coscheduling"]
    name: str
    queue: str = ""


def parse_gang_scheduler(text: str) -> GangScheduler | None:
    """Read which one it is; empty text is none.

    Raises:
        ValueError: It is none of those that are known.
    """
    if not text:
        return None
    kind, _, name = text.strip().partition(" ")
    if not name or _NAME.fullmatch(name):
        if kind == "volcano":
            return GangScheduler("volcano", "volcano", name)
        if kind == "coscheduling":
            return GangScheduler("coscheduling", name or _SCHEDULER)
    raise ValueError(f"{text!r} is no gang scheduler: write {_FORMS}")
