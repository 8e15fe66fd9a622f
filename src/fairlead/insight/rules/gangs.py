"""Gangs that some of their ranks hold back: ranks that have not begun, that are behind, or that all stand still."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.gangs import GANGS, gang_of, is_running, waiting
from fairlead.insight.pace import Track, behind, silence, tracks_of
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import rule
from fairlead.naming import format_time
from fairlead.quantities import human_duration
from fairlead.snapshots.snapshot import Snapshot, Thing


def _waits(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a rank that runs while others of its gang have not begun."""
    gang = gang_of(pod, snapshot)
    if gang is None or not gang.late or not is_running(pod):
        return
    late = gang.late[0]
    held = waiting(late)
    state = held.text("state.waiting.reason") if held else late.text("status.phase")
    more = f" and {len(gang.late) - 1} more" if len(gang.late) > 1 else ""
    words = {"late": f"{late.ref.name}{more}", "pod": late.ref.name, "state": state or "Pending"}
    shown = held.cite("state.waiting.reason") if held else late.cite("status.phase")
    yield Seen((*pod.cite("status.phase"), *shown), words, pod.text("status.startTime"), signature=gang.top.uid)


def _straggles(top: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a gang all of which runs, and one rank of which is far behind the others by what they write."""
    tracks, now = _tracks(top, snapshot), snapshot.now
    found = behind(tracks, now) if now else None
    if found is None or now is None:
        return
    last, other = found.track.marks[-1], found.slowest.marks[-1]
    words = {
        "rank": found.track.name,
        "stacks": _stacks(found.track),
        "said": last.evidence.value,
        "silent": human_duration((now - last.time).total_seconds()),
        "others": f"{found.slowest.name} said {other.evidence.value!r}",
        "by": str(found.by),
        "late": f" with {found.late - 1} more" if found.late > 1 else "",
        "of": str(found.others + 1),
    }
    yield Seen((last.evidence, other.evidence), words, format_time(found.since))


def _hangs(top: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a gang all of which runs, and whose ranks have all ceased to write, long past the pauses that they make."""
    tracks, now = _tracks(top, snapshot), snapshot.now
    found = silence(tracks, now) if now and behind(tracks, now) is None else None
    if found is None or now is None:
        return
    track = found.last or found.tracks[0]
    at = track.marks[-1].evidence
    least = f"; {track.name} got less far than the others: {at.value!r}" if found.last else f": {at.value!r}"
    words = {
        "stacks": _stacks(track),
        "ranks": str(len(found.tracks)),
        "silent": human_duration((now - found.since).total_seconds()),
        "longest": human_duration(found.longest_s),
        "least": least,
    }
    evidence = tuple(each.marks[-1].evidence for each in (track, *found.tracks[:2]) if each is not track)
    yield Seen((at, *evidence), words, format_time(found.since))


def _tracks(top: Thing, snapshot: Snapshot) -> list[Track]:
    """Return how far the ranks of a gang have come, all of which run; of its uppermost object alone."""
    gang = gang_of(top, snapshot)
    return tracks_of(gang, snapshot) if gang is not None and gang.top is top and not gang.late else []


def _stacks(track: Track) -> str:
    return f"{track.inside} -- py-spy dump --pid 1" if track.inside else "py-spy dump --pid with its process's number"


RULES = (
    rule(
        "straggler",
        Layer.RUN,
        Sign("gang", _straggles),
        message="rank {rank} is behind the others{late}, by {by} reports at least: it last said {said!r}, {silent} ago,"
        " and {others}; {of} ranks were compared",
        remedy="{stacks} shows where it stands: compare that with another rank, and its node with theirs",
        source="docs/why.md",
        kinds=GANGS,
        confidence=0.8,
    ),
    rule(
        "hang",
        Layer.RUN,
        Sign("gang", _hangs),
        message="its ranks run, and have written nothing for {silent}, where those that say how far they are, {ranks}"
        " of them, made no pause longer than {longest}{least}",
        remedy="{stacks} shows where it waits, in each rank; a limit of time ends such a step: timeout, or"
        " activeDeadlineSeconds",
        source="docs/why.md",
        kinds=GANGS,
        confidence=0.6,
    ),
    rule(
        "waits-for-ranks",
        Layer.RUN,
        Sign("placed", _waits),
        message="it runs, and waits for {late} of its gang: {state}",
        remedy="kubectl describe pod {pod} -n {namespace} shows what keeps that one",
        source="https://docs.pytorch.org/docs/stable/elastic/rendezvous.html",
        confidence=0.5,
        is_consequence=True,
    ),
)
