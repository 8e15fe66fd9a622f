"""How a run is to be driven, and who watches it."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.specs.contexts import LOCAL


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be driven.

    Attributes:
        parallel: How many steps run at once at most.
        relaxed: Whether steps may run that ask for more than the machine has.
        use_cache: Whether results of earlier runs are used.
        inline: Whether steps run in this very process, for a debugger.
        labels: Labels of the run.
        on: The context to run in; its store is the settings' one then.
        store: The store's URL, where it is not the settings' one.
        detach: Whether a run on a cluster is left as soon as it was submitted.
        unschedulable: What becomes there of steps that can't be scheduled, where not what the context says.
        targets: What runs steps with ranks there, by the kind of their runtime, where not what the context says.
    """

    parallel: int | None = None
    relaxed: bool = False
    use_cache: bool = True
    inline: bool = False
    labels: dict[str, str] = {}
    on: str = LOCAL
    store: str | None = None
    detach: bool = False
    unschedulable: str | None = None
    targets: dict[str, str] = {}


class Silent:
    """An observer that tells nobody anything."""

    def started(self, *_: Any) -> None:
        """Ignore it."""

    changed = progressed = logged = noted = started
