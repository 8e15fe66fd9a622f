"""Layouts and counts as people write them.

3g.20gb+1g.5gb:2      a layout: one 3g.20gb and two 1g.5gb, wherever they fit
3g.20gb@4=train-a     an instance that begins at memory slice 4, and the pod that has it
3g+3g,7g,             layouts of three GPUs, the last of them bare
3g.20gb:4,1g.5gb:6    counts: four of one profile, and six of another
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from fairlead.errors import UsageError
from fairlead.planner.mig.cards import Card, profile_named
from fairlead.planner.mig.layouts import Gpu, Instance, arranged, fault_of, why_not

_PART = re.compile(r"(?P<profile>[\w.+]+?)(?:@(?P<start>[0-9]))?(?:=(?P<pod>[\w./-]+)|:(?P<count>[1-9][0-9]?))?")
_COUNT = re.compile(r"(?P<profile>[\w.+]+)(?::(?P<count>[0-9]{1,4}))?")
_FORM = "write PROFILE, PROFILE:COUNT, PROFILE@START or PROFILE@START=POD, with + between them"


def read_gpus(card: Card, text: str, count: int) -> tuple[Gpu, ...]:
    """Read the layouts of GPUs, with commas between them; GPUs that are not named are bare.

    Raises:
        UsageError: One can't be, there are more than GPUs, or a pod stands there twice.
    """
    texts = text.split(",") if text.strip() else []
    if len(texts) > count:
        raise UsageError(f"{len(texts)} layouts are given for {count} {card.name}", next="one for each GPU, or fewer")
    gpus = [read_gpu(card, each.strip(), f"GPU {number}") for number, each in enumerate(texts)]
    twice = [pod for pod, often in Counter(pod for gpu in gpus for pod in gpu.pods.values()).items() if often > 1]
    if twice:
        raise UsageError(
            f"the pod {twice[0]!r} stands on two instances", why="a plan moves pods with one instance each"
        )
    return (*gpus, *[Gpu()] * (count - len(gpus)))


def read_gpu(card: Card, text: str, where: str) -> Gpu:
    """Read the layout of one GPU; `where` says which, for what can't be.

    Raises:
        UsageError: It can't be.
    """
    fixed: list[Instance] = []
    anywhere: list[tuple[str, str]] = []
    pods: dict[Instance, str] = {}
    for part in _parts(text):
        found = _PART.fullmatch(part)
        if found is None or (found["start"] and found["count"]):
            raise UsageError(f"{part!r} is no instance", where=where, next=_FORM)
        name = profile_named(card, found["profile"]).name
        if found["start"]:
            fixed.append(Instance(int(found["start"]), name))
            if found["pod"]:
                pods[fixed[-1]] = found["pod"]
        else:
            anywhere += [(name, found["pod"] or "")] * int(found["count"] or 1)
    names = [name for name, _ in anywhere]
    why = fault_of(card, fixed) or why_not(card, [*(each.profile for each in fixed), *names])
    rest = None if why else arranged(card, names, beside=tuple(fixed))
    if rest is None:
        why = why or f"beside {write_layout(fixed)} there is no room for {'+'.join(names)}"
        raise UsageError(f"{text} can't be on one {card.name}", where=where, why=why)
    left = list(rest)
    for name, pod in anywhere:
        each = next(one for one in left if one.profile == name)
        left.remove(each)
        if pod:
            pods[each] = pod
    return Gpu(tuple(sorted([*fixed, *rest])), pods)


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between the signs ``+``, but for those of ``+me``."""
    return (part for part in re.split(r"\+(?!me\b)", text) if part or text)


def read_counts(card: Card, text: str) -> Counter[str]:
    """Read how many of which profiles: ``3g.20gb:4,1g.5gb:6``.

    Raises:
        UsageError: It can't be read, names a profile that the card has not, or asks for nothing.
    """
    counts: Counter[str] = Counter()
    for part in text.split(","):
        found = _COUNT.fullmatch(part.strip())
        if found is None:
            raise UsageError(
                f"{part.strip()!r} is no count of instances", next="write PROFILE:COUNT, with commas between"
            )
        counts[profile_named(card, found["profile"]).name] += int(found["count"] or 1)
    if not +counts:
        raise UsageError("nothing is asked for", next="write PROFILE:COUNT with a count of at least 1")
    return +counts


def write_layout(layout: Iterable[Instance]) -> str:
    """Write a layout with its starts: ``3g.20gb@0+1g.5gb@6``."""
    return "+".join(f"{each.profile}@{each.start}" for each in layout)
