"""How far the ranks of a gang have come, by what they write: which is behind the others, and whether all stand still.

A line counts where it has a time and says how far its rank is: ``step 120``, ``epoch 3 iter 17``. Ranks are compared
that run one program and say it in the same words. Nothing is concluded of what is written in bursts, as buffered output
is, of numbers that begin anew, or of less than a handful of lines: then nobody can tell a late rank from a late line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

import msgspec

from fairlead.insight.gangs import Gang, running
from fairlead.snapshots.parts import Evidence, Part, shortened
from fairlead.snapshots.snapshot import Snapshot, Thing, moment
from fairlead.specs.contexts import LOCAL

RANKS_MAX = 100
"""Of a gang: each is compared with each."""
MARKS_MIN = 5
"""Lines that say how far a rank is, of fewer of which nothing is concluded."""
BEHIND_MIN = 3
"""So many such lines the others are ahead: ranks that wait for each other differ by one, and by two for a moment."""
BEHIND_S = 60.0
"""For so long, so that neither clocks that differ nor logs that are read one after another look like it."""
SILENT_S = 600.0
SILENT_GAPS = 10
"""Silence counts once it has lasted so long, and so many times the longest pause before it."""
_BURST_S = 0.05
_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<text>.*)")
AT = re.compile(
    r"\b(?:(?P<major>epoch)|(?:global[_ ]?)?(?P<minor>step|iter(?:ation)?|batch))[\"']?\s*[:=#]?\s*[\[(]?\s*"
    r"(?P<at>\d+(?:\.\d+)?)(?:\s*(?:/|of)\s*(?P<of>\d+))?(?![\w.%])",
    re.IGNORECASE,
)


class Mark(NamedTuple):
    """What a rank has said of how far it is: when, how far, whether that is the end, and where it is written."""

    time: datetime
    at: tuple[float, ...]
    is_last: bool
    evidence: Evidence


class Track(NamedTuple):
    """How far a rank has come.

    Attributes:
        name: The rank's, with where it runs.
        program: What it runs, whichever rank it is.
        words: Those in which it says how far it is.
        marks: What it has said of it; empty where nothing can be concluded.
        wrote: When it last wrote anything; None where that is not known.
        inside: The command by which another one is run beside it; empty on this machine.
    """

    name: str
    program: str
    words: str
    marks: tuple[Mark, ...]
    wrote: datetime | None
    inside: str


class Behind(NamedTuple):
    """A rank that is behind the others, the last one if there are several.

    Attributes:
        track: How far it has come.
        slowest: How far the slowest has come of those that are ahead.
        since: Since when all of these have been.
        by: How many lines they are ahead at least.
        late: How many ranks are behind.
        others: With how many it was compared.
    """

    track: Track
    slowest: Track
    since: datetime
    by: int
    late: int
    others: int


class Silence(NamedTuple):
    """Ranks that all stand still: since when, the longest pause before, and the one that got less far than others."""

    tracks: tuple[Track, ...]
    since: datetime
    longest_s: float
    last: Track | None


def tracks_of(gang: Gang, snapshot: Snapshot) -> list[Track]:
    """Return how far the ranks of a gang have come that run: by what a step has logged, or else by their logs."""
    return snapshot.once(("tracks", gang.top.ref), lambda: _tracks_of(gang, snapshot))


def _tracks_of(gang: Gang, snapshot: Snapshot) -> list[Track]:
    recorded = [_recorded(gang.top, rank, snapshot) for rank in islice(gang.top.each("status.ranks"), RANKS_MAX)]
    if any(each.marks for each in recorded):
        return recorded
    return [
        _written(container, pod, log)
        for pod in gang.running[:RANKS_MAX]
        for container in running(pod)
        if (log := snapshot.log(pod.ref.name, container.text("name")))
    ]


def behind(tracks: Sequence[Track], now: datetime) -> Behind | None:
    """Return the rank that is behind the others; None where none is, or which is can't be told."""
    alike = _alike(tracks, now)
    late = [found for track in alike if (found := _behind(track, alike, now)) is not None]
    if not late or (len(late) > 1 and len(late) * 3 > len(alike)):  # so many differ that none is late
        return None
    return min(late, key=lambda each: each.track.marks[-1].at)._replace(late=len(late))


def silence(tracks: Sequence[Track], now: datetime) -> Silence | None:
    """Return since when all ranks have stood still, that had come along until then; None where they have not."""
    alike = _alike(tracks, now)
    ranks = [each for each in tracks if each.program in {rank.program for rank in alike}]  # not the proxies beside them
    wrote = [each.wrote for each in ranks if each.wrote is not None]
    if not alike or len(wrote) < len(ranks) or any(each.marks[-1].is_last for each in alike):
        return None
    longest_s = max(gap for each in alike for gap in _gaps(each.marks))
    since = max(wrote)
    if (now - since).total_seconds() < max(SILENT_S, SILENT_GAPS * longest_s):
        return None
    ends = Counter(each.marks[-1].at for each in alike)
    least = min(ends)
    last = next(each for each in alike if each.marks[-1].at == least) if len(ends) > 1 and ends[least] == 1 else None
    return Silence(tuple(alike), since, longest_s, last)


def _alike(tracks: Sequence[Track], now: datetime) -> list[Track]:
    """Return the most that can be compared, of what was written until a moment."""
    until = [each._replace(marks=tuple(mark for mark in each.marks if mark.time <= now)) for each in tracks]
    told = [each for each in until if len(each.marks) >= MARKS_MIN]
    kinds = Counter((each.program, each.words) for each in told)
    return [each for each in told if (each.program, each.words) == kinds.most_common(1)[0][0]]


def _behind(track: Track, alike: Sequence[Track], now: datetime) -> Behind | None:
    """Return by how much most others are ahead of a rank; None where they are not, or where it can't be told."""
    last, ahead = track.marks[-1], list[tuple[int, datetime, Track]]()
    others = [each for each in alike if each is not track]
    for other in others:
        passed = bisect_right(other.marks, last.at, key=lambda mark: mark.at)
        if not passed and last.time > other.marks[0].time:  # numbers that begin anew, as in each epoch
            return None
        by = len(other.marks) - passed  # all of them, where it has said nothing since before the first that is known
        if by < BEHIND_MIN or now - other.marks[passed].time < timedelta(seconds=BEHIND_S):
            continue
        if _owes(track, other.marks[-1].at, now):
            ahead.append((by, other.marks[passed].time, other))
    if not ahead or len(ahead) * 3 < len(others) * 2 or last.is_last:
        return None
    by, _, slowest = min(ahead, key=lambda each: each[0])
    return Behind(track, slowest, max(time for _, time, _ in ahead), by, 1, len(others))


def _owes(track: Track, at: tuple[float, ...], now: datetime) -> bool:
    """Say whether a rank that is where another one is would have said so: it may do that more seldom."""
    last, pairs = track.marks[-1], pairwise(mark.at for mark in track.marks)
    strides = [after[-1] - before[-1] for before, after in pairs if before[:-1] == after[:-1]]
    if strides and last.at[:-1] == at[:-1]:
        return at[-1] - last.at[-1] >= BEHIND_MIN * max(strides)
    return (now - last.time).total_seconds() >= BEHIND_MIN * max(_gaps(track.marks))


def _recorded(step: Thing, rank: Part, snapshot: Snapshot) -> Track:
    """Return what a rank of a step has logged."""
    marks = [
        Mark(time, (float(each.text("at")),), False, each.cite("at")[0])
        for each in rank.each("logged")
        if (time := moment(each.text("time"))) is not None and each.text("at")
    ]
    name = f"{step.ref.name}/{rank.text('rank')}"
    run = snapshot.find("Run", step.ref.name.partition("/")[0])
    is_here = run is not None and run.text("spec.context") == LOCAL
    inside = "" if is_here else f"fairlead exec {name}"
    return Track(name, "", "at", _told(marks), moment(rank.text("wroteAt")), inside)


def _written(container: Part, pod: Thing, log: str) -> Track:
    """Return what a log says of how far its rank is, in the words that it says it in most often."""
    name, wrote = container.text("name"), None
    said: dict[str, list[Mark]] = {}
    for number, line in enumerate(log.splitlines(), 1):
        found = _LINE.match(line)
        time = moment(found["time"]) if found else None
        if found is None or time is None:
            continue
        wrote = time
        counts = {(each["major"] or each["minor"]).lower(): each for each in AT.finditer(found["text"])}
        words = sorted(counts, key=lambda word: word != "epoch")
        if words:
            last = counts[words[-1]]
            is_last = bool(last["of"]) and float(last["at"]) >= float(last["of"])
            at = tuple(float(counts[word]["at"]) for word in words)
            path = f"logs/{pod.ref.name}/{name}.log:{number}"
            evidence = Evidence(str(pod.ref), path, shortened(found["text"]))
            said.setdefault(" ".join(words), []).append(Mark(time, at, is_last, evidence))
    most, marks = max(said.items(), key=lambda each: len(each[1]), default=("", []))
    inside = f"kubectl exec {pod.ref.name} -n {pod.ref.namespace} -c {name}"
    title = f"{pod.ref.name} on node {pod.text('spec.nodeName')}"
    return Track(title, _program(pod, name), most, _told(marks), wrote, inside)


def _told(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return when each number was reached first, since ranks of one pod write beside each other.

    There is nothing where numbers begin anew or come in bursts, or where there are few.
    """
    first: list[Mark] = []
    for mark in marks:
        if not first or mark.at > first[-1].at:
            first.append(mark)
        elif len(first) > BEHIND_MIN and mark.at < first[-1 - BEHIND_MIN].at:
            return ()
    if len(first) < MARKS_MIN:
        return ()
    gaps = _gaps(first)
    usual = median(gaps)
    return tuple(first) if usual > _BURST_S and min(gaps[1 - MARKS_MIN :]) > usual / 10 else ()


def _gaps(marks: Sequence[Mark]) -> list[float]:
    return [(mark.time - before.time).total_seconds() for before, mark in pairwise(marks)]


def _program(pod: Thing, container: str) -> str:
    """Return what a container runs, whichever rank it is."""
    found = next((each for each in pod.each("spec.containers") if each.text("name") == container), None)
    parts = [found.part(path).value for path in ("image", "command", "args")] if found else []
    return re.sub(r"\d+", "#", msgspec.json.encode(parts).decode())
