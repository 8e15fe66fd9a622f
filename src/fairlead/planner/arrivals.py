"""The order in which pods come: shuffled, and more of them until they ask for more than there is.

Source: the protocol of the paper that fragmentation.py cites; a seed decides everything that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.planner.streams import Stream
from fairlead.planner.workloads import Pod


def shuffled(pods: Sequence[Pod], random: Stream) -> list[Pod]:
    """Return pods in a random order that does not depend on the one they are given in."""
    order = sorted(pods, key=lambda each: each.name)
    random.shuffle(order)
    return order


def inflated(pods: Sequence[Pod], gpu_millis: float, random: Stream) -> list[Pod]:
    """Add or leave out pods until those that come ask for so much of GPUs, in thousandths of one.

    What is added is drawn from the pods, each as likely as any other; the first that would go beyond is not added.

    Args:
        pods: The pods in the order in which they come; one at least asks for a GPU.
        gpu_millis: What all are to ask for.
        random: Where the drawing comes from.
    """
    found = list(pods)
    asked = sum(each.demand.total_gpu_millis for each in found)
    if asked > gpu_millis:
        return _thinned(found, asked - gpu_millis, random)
    choice = sorted(pods, key=lambda each: each.name)
    while asked < gpu_millis:
        drawn = choice[random.below(len(choice))]
        if asked + drawn.demand.gpu_millis > gpu_millis:
            break
        asked += drawn.demand.total_gpu_millis
        found.append(drawn)
    return found


def _thinned(pods: list[Pod], gpu_millis: float, random: Stream) -> list[Pod]:
    while gpu_millis > 0:
        gpu_millis -= pods.pop(random.below(len(pods))).demand.total_gpu_millis
    return pods
