"""How much to ask for, by what was used: a proposal that is never below what anybody has used, or died of.

The 95th percentile is by nearest rank: the least of the values that at least 95 of 100 samples do not exceed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil

import msgspec

SAMPLES_LEAST = 5
"""With fewer attempts that succeeded there is no proposal: the 95th percentile would be the largest of a handful."""
PERCENT = 95
_MIB = 1 << 20
_GIB = 1 << 30
_CPU_STEPS = ((1000, 50), (8000, 250))
_BYTE_STEPS = ((256 * _MIB, 16 * _MIB), (_GIB, 64 * _MIB), (16 * _GIB, 256 * _MIB))


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt asked for of a resource, and used.

    Attributes:
        seconds: How long it took.
        requested: What it asked for, which was its limit; None where it asked for none.
        used: The most that it used; None where that is not known.
        succeeded: Whether it did.
        killed: Whether it was ended because it wanted more than there was.
    """

    seconds: float
    requested: int | None = None
    used: int | None = None
    succeeded: bool = True
    killed: bool = False


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts used of a resource, and what to ask for.

    Attributes:
        samples: How many that succeeded say what they used.
        p95: What 95 of 100 of these did not exceed; None where there are none.
        largest: The largest of them.
        above: What is known not to be enough, as attempts were killed with it; None where none was.
        proposed: What to ask for; None where there are too few samples.
    """

    samples: int
    p95: int | None = None
    largest: int | None = None
    above: int | None = None
    proposed: int | None = None


def sized(samples: Iterable[Sample], margin: float, rounded: Callable[[int], int]) -> Sizing:
    """Return what to ask for.

    A proposal is the 95th percentile with the margin, or the largest use where that is more; an attempt that was killed
    is no sample of what is enough, but says that more is wanted than it had, with the margin too. It is rounded up.

    Args:
        samples: What attempts asked for and used.
        margin: How much more than was used, as a share of it: 0.2 is a fifth; 0 or more.
        rounded: Rounds a number up to what people write.
    """
    listed = list(samples)
    used = sorted(each.used for each in listed if each.succeeded and each.used is not None)
    above = max((max(each.requested or 0, each.used or 0) for each in listed if each.killed), default=0)
    found = Sizing(samples=len(used), above=above or None)
    if not used:
        return found
    p95 = nearest_rank(used, PERCENT)
    found = msgspec.structs.replace(found, p95=p95, largest=used[-1])
    if len(used) < SAMPLES_LEAST:
        return found
    wanted = max(_more(p95, margin), used[-1])
    if above:
        wanted = max(wanted, _more(above, margin), above + 1)
    return msgspec.structs.replace(found, proposed=rounded(wanted))


def _more(amount: int, margin: float) -> int:
    return ceil(amount * (1 + margin))


def nearest_rank(values: Sequence[int], percent: int) -> int:
    """Return a percentile of sorted values, of which there is one at least."""
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def saved(samples: Iterable[Sample], proposed: int | None) -> float | None:
    """Return what a proposal would have saved of what was asked for, in units of the resource times hours.

    Less than nothing where it is more than was asked for; None where nothing is proposed, or nothing was asked for.
    """
    known = [each for each in samples if each.requested is not None]
    if proposed is None or not known:
        return None
    return sum(((each.requested or 0) - proposed) * each.seconds for each in known) / 3600


def round_cpu(millis: int) -> int:
    """Round thousandths of a core up: to 50 up to one core, to 250 up to eight, and to whole cores above."""
    return _up(millis, _CPU_STEPS, 1000)


def round_bytes(size: int) -> int:
    """Round bytes up: to 16 MiB up to 256, to 64 MiB up to one GiB, to 256 MiB up to 16, and to whole GiB above."""
    return _up(size, _BYTE_STEPS, _GIB)


def _up(amount: int, steps: Sequence[tuple[int, int]], otherwise: int) -> int:
    step = next((step for most, step in steps if amount <= most), otherwise)
    return max(1, -(-amount // step)) * step
