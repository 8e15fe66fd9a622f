"""What steps with ranks, sweeps and whole runs can become on clusters, and what of it one cluster has."""

from __future__ import annotations

import msgspec

from fairlead.runs.clusters import engine_in, open_place
from fairlead.specs.contexts import LOCAL
from fairlead.targets.flow_table import FLOW, FLOWS, wanted_flows
from fairlead.targets.sweeps import table as sweeps
from fairlead.targets.training.table import choose, targets


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """A target.

    Attributes:
        name: As ``--target`` has it.
        runtimes: The kinds of runtimes that it runs; ``sweep``, or ``flow`` where it goes through whole runs.
        creates: The kinds of objects that it creates.
        component: What a cluster needs for it.
        served: Whether the cluster that was asked has it; None where none was.
        chosen: The kinds of runtimes for which it is what that cluster's context chooses.
    """

    name: str
    runtimes: tuple[str, ...]
    creates: tuple[str, ...]
    component: str
    served: bool | None = None
    chosen: tuple[str, ...] = ()


def training_targets(on: str) -> list[TargetReport]:
    """Return every target, in order of preference, those of whole runs last.

    Args:
        on: The context whose cluster is asked; none is where that is ``local``.

    Raises:
        UsageError: There is no such context.
        ClusterError: The cluster can't be reached, or refuses.
    """
    served: dict[str, bool] = {}
    chosen: dict[str, str] = {}
    of_sweeps = ""
    if on != LOCAL:
        place = open_place(on)
        engine = engine_in(place)
        served = {name: engine.is_served(target) for name, target in targets().items()}
        served |= {name: engine.is_served(target) for name, target in FLOWS.items()}
        chosen, _ = choose({}, place.context.targets, lambda target: served[target.name])
        chosen[FLOW] = wanted_flows(place.context, lambda target: served[target.name])[0].name
        of_sweeps = place.context.targets.get(sweeps.KIND, sweeps.DRIVER)
    of_ranks = [
        TargetReport(
            name=name,
            runtimes=tuple(sorted(target.runtimes)),
            creates=tuple(each.kind for each in target.resources),
            component=target.component,
            served=served.get(name),
            chosen=tuple(sorted(kind for kind, each in chosen.items() if each == name)),
        )
        for name, target in targets().items()
    ]
    swept = [
        TargetReport(
            name=name,
            runtimes=(sweeps.KIND,),
            creates=(),
            component=component,
            served=None if on == LOCAL else name == sweeps.DRIVER or "ray" in chosen,
            chosen=(sweeps.KIND,) if name == of_sweeps else (),
        )
        for name, component in sweeps.COMPONENTS.items()
    ]
    of_flows = [
        TargetReport(
            name=name,
            runtimes=(FLOW,),
            creates=(target.resource.kind,),
            component=target.component,
            served=served.get(name),
            chosen=(FLOW,) if chosen.get(FLOW) == name else (),
        )
        for name, target in FLOWS.items()
    ]
    return [*of_ranks, *swept, *of_flows]
