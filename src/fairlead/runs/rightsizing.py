"""What steps ask for against what their attempts used, and what to ask for: by records, or by a table of usage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fairlead.errors import UsageError
from fairlead.insight.planning.prices import PriceBook, price_of
from fairlead.planner.rightsizing import (
    PERCENT,
    SAMPLES_LEAST,
    Sample,
    nearest_rank,
    round_bytes,
    round_cpu,
    saved,
    sized,
)
from fairlead.planner.usage import Usage, read_usage
from fairlead.runs.pricing import read_book
from fairlead.runs.settings import open_store
from fairlead.runs.tables import read_rows
from fairlead.runs.using import Used, used_by
from fairlead.specs.capacity import NotRead, Rightsized, RightsizeReport, Sized

_CORE = 1000
_GIB = 1 << 30


def rightsize_flows(flows: Sequence[str], margin: float, prices: Sequence[str] = ()) -> RightsizeReport:
    """Say it of the steps of flows, by the newest runs in the store.

    Args:
        flows: The flows; all of the store where there are none.
        margin: How much more than the 95th percentile is proposed, as a share of it.
        prices: Files of price books, the later before the earlier.

    Raises:
        NotFoundError: No run of such a flow has ended.
        UsageError, SpecError: A price book can't be read, or the margin can't be.
        StoreError: The store can't be read.
    """
    book = _book(margin, prices)
    store = open_store()
    gaps: list[NotRead] = []
    found = used_by(store.backend, flows, gaps)
    return report(found, store.url, margin, book, gaps)


def rightsize_table(
    file: Path, margin: float, prices: Sequence[str] = (), *, skip_bad: bool = False, notes: list[str]
) -> RightsizeReport:
    """Say it of workloads that Fairlead did not run, by a table of what they used.

    Raises:
        UsageError, SpecError: The file can't be read, rows of it or a price book can't be, or the margin can't.
    """
    book = _book(margin, prices)
    workloads: dict[str, Used] = {}
    for usage in read_rows(file, read_usage, notes, skip_bad=skip_bad):
        workloads.setdefault(usage.workload, Used("", usage.workload)).usages.append(usage)
    return report(workloads.values(), str(file), margin, book)


def _book(margin: float, prices: Sequence[str]) -> PriceBook | None:
    if not 0 <= margin < float("inf"):
        raise UsageError(f"--margin must be 0 or more, got {margin}", next="--margin 0.2")
    return read_book(prices)


def report(
    steps: Iterable[Used], subject: str, margin: float, book: PriceBook | None, gaps: Iterable[NotRead] = ()
) -> RightsizeReport:
    """Say what steps should ask for, and what that would have saved."""
    lacking: dict[str, None] = {}
    found = [_step(each, margin, book, lacking) for each in steps]
    found.sort(key=lambda each: (-(each.memory_bytes.saved_hours or 0), each.flow, each.step))
    costs = [each.saved_cost for each in found if each.saved_cost is not None]
    return RightsizeReport(
        subject=subject,
        margin=margin,
        steps=tuple(found),
        saved_core_hours=round(sum(each.cpu_millis.saved_hours or 0 for each in found), 6),
        saved_gib_hours=round(sum(each.memory_bytes.saved_hours or 0 for each in found), 6),
        currency=book.currency if book is not None else "",
        saved_cost=round(sum(costs), 6) if costs else None,
        lacking=tuple(lacking),
        not_read=tuple(gaps),
    )


def _step(used: Used, margin: float, book: PriceBook | None, lacking: dict[str, None]) -> Rightsized:
    cpu = [_sample(each, each.cpu_request_millis, each.cpu_used_millis) for each in used.usages]
    memory = [
        _sample(each, each.memory_request_bytes, each.memory_used_bytes, killed=each.killed) for each in used.usages
    ]
    is_known = not used.unknown
    sized_cpu = _sized(cpu, margin, round_cpu, _CORE, is_known=is_known)
    sized_memory = _sized(memory, margin, round_bytes, _GIB, is_known=is_known)
    return Rightsized(
        flow=used.flow,
        step=used.step,
        attempts=len(used.usages),
        oom_kills=sum(each.killed for each in used.usages),
        cpu_millis=sized_cpu,
        memory_bytes=sized_memory,
        gpu_memory_p95_bytes=_p95(each.gpu_memory_bytes for each in used.usages),
        gpu_p95_percent=_p95(each.gpu_percent for each in used.usages),
        saved_cost=_cost(sized_cpu, sized_memory, used, book, lacking),
        why=f"nothing is proposed: {used.unknown}" if used.unknown else _too_few(sized_cpu, sized_memory),
    )


def _sample(usage: Usage, requested: int | None, used: int | None, *, killed: bool = False) -> Sample:
    succeeded = not usage.failed and not usage.killed
    return Sample(seconds=usage.seconds, requested=requested, used=used, succeeded=succeeded, killed=killed)


def _sized(
    samples: Sequence[Sample], margin: float, rounded: Callable[[int], int], unit: int, *, is_known: bool
) -> Sized:
    """Size a resource; `unit` is what hours are counted of: so many thousandths of a core, or bytes."""
    found = sized(samples, margin, rounded)
    requested = samples[0].requested if samples else None
    if not is_known:
        return Sized(requested=requested, samples=found.samples)
    hours = saved(samples, found.proposed)
    return Sized(
        requested=requested,
        samples=found.samples,
        p95=found.p95,
        largest=found.largest,
        above=found.above,
        proposed=found.proposed,
        saved_hours=round(hours / unit, 6) if hours is not None else None,
    )


def _p95(values: Iterable[int | None]) -> int | None:
    known = sorted(each for each in values if each is not None)
    return nearest_rank(known, PERCENT) if known else None


def _too_few(cpu: Sized, memory: Sized) -> str:
    """Say of what nothing is proposed, and why; empty where that is nothing."""
    lacking: dict[int, list[str]] = {}
    for name, each in (("CPU", cpu), ("memory", memory)):
        if each.proposed is None:
            lacking.setdefault(each.samples, []).append(name)
    return "; ".join(
        f"nothing is proposed of {' and '.join(names)}: {SAMPLES_LEAST} attempts that succeeded must say what they"
        f" used, and {count} do"
        for count, names in lacking.items()
    )


def _cost(cpu: Sized, memory: Sized, used: Used, book: PriceBook | None, lacking: dict[str, None]) -> float | None:
    """Return what would have been saved; None where a price is missing, which is noted."""
    if book is None:
        return None
    found = 0.0
    known = False
    for what, hours in (("cpu", cpu.saved_hours), ("memory", memory.saved_hours)):
        if hours is None:
            continue
        per_h = price_of(book, what, spot=used.spot)
        if per_h is None:
            lacking[f"no price of {what}"] = None
            return None
        found += hours * per_h
        known = True
    return round(found, 6) if known else None
