"""Why a workload is pending, or has failed: the causes that its snapshot shows, the first one first.

From an object down to what belongs to it, every rule is asked of every object that has not ended well. What explains
itself in a pod explains the job above it: of several causes the one comes first that began first, and where nothing
says when, the one of the earlier layer. What is only brought about by others is listed apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

import msgspec

from fairlead.insight.attempts import is_overcome
from fairlead.insight.findings import Found, Layer, Rule
from fairlead.insight.gangs import gang_of
from fairlead.insight.rules import RULES
from fairlead.insight.signs import ENDED, places_of
from fairlead.insight.states import SCHEDULES, is_late, last_begun, state_in, state_of
from fairlead.snapshots import parts
from fairlead.snapshots.parts import Ref, shortened
from fairlead.snapshots.snapshot import Snapshot, Thing, Unread, message_of, walk

_VARIES = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+|(?<=-)[a-z0-9]{5}\b")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A field that an answer rests on."""

    subject: str
    path: str
    value: str


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is as it is.

    Attributes:
        id: The cause's name, which stays.
        layer: Where it lies.
        confidence: From 0 to 1.
        subject: The object that shows it, the first of those that do.
        part: What of it, such as a container.
        message: What is the matter.
        evidence: The fields that this rests on.
        remedy: What to do about it.
        source: Where the documentation is.
        since: When it began, as the cluster writes times.
        count: How many objects show it.
    """

    id: str
    layer: str
    confidence: float
    subject: str
    message: str
    evidence: tuple[Evidence, ...]
    remedy: str
    source: str = ""
    part: str = ""
    since: str = ""
    count: int = 1


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from the last run of the flow that succeeded.

    Attributes:
        run: That run.
        what: What differs, what explains most first.
    """

    run: str
    what: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Why a workload is as it is.

    Attributes:
        subject: The workload.
        state: ``succeeded``, ``failed``, ``running``, ``pending`` or ``unknown``; of a run or a step also ``blocked``,
            ``skipped``, ``cancelled`` or ``lost``.
        steps: For a run: how many of its steps there are of each status.
        causes: The causes, the first one first; one with the id ``unknown`` where nothing explains it.
        consequences: What follows from these.
        changed: For a run that failed: what is not as it was when its flow last succeeded.
        unread: What could not be read.
    """

    subject: str
    state: str
    steps: dict[str, int] = {}
    causes: tuple[Cause, ...] = ()
    consequences: tuple[Cause, ...] = ()
    changed: Changed | None = None
    unread: tuple[Unread, ...] = ()


class _Seen:
    """A cause, and the objects that show it."""

    def __init__(self, rule: Rule, thing: Thing, found: Found) -> None:
        self.rule, self.thing, self.found = rule, thing, found
        self.things: set[Ref] = {thing.ref}

    def add(self, thing: Thing, found: Found) -> None:
        self.things.add(thing.ref)
        if (found.since or "~") < (self.found.since or "~"):  # without a time it comes last
            self.thing, self.found = thing, found

    @property
    def order(self) -> tuple[bool, str, Layer, float]:
        return self.rule.confidence <= 0.5, self.found.since or "~", self.rule.layer, -self.rule.confidence


def explain(snapshot: Snapshot, subject: Thing) -> Answer:
    """Say why a workload is pending or has failed.

    Args:
        snapshot: What is known.
        subject: The workload, a pod for instance.
    """
    state = state_in(subject, snapshot)
    steps = {name: count for name, count in subject.mapping("status.steps").items() if isinstance(count, int)}
    things = list(_concerned(snapshot, subject))
    seen = _seen(snapshot, things)
    if state != "succeeded" and all(each.rule.is_consequence for each in seen):
        seen = _seen(snapshot, [*things, *_of_gang(snapshot, subject, is_whole=bool(seen))])
    seen = sorted(seen, key=lambda each: (*each.order, each.thing is subject))  # a part says more than the whole
    causes = [each for each in seen if not each.rule.is_consequence] or seen[:1]
    others = [each for each in seen if each not in causes]
    found = tuple(map(_cause, causes))
    is_due = subject.ref.kind not in SCHEDULES or is_late(subject)
    if not found and state not in ("succeeded", "running", "unknown") and is_due:
        found = (_unknown(snapshot, subject, state),)
    return Answer(
        subject=str(subject.ref),
        state=state,
        steps=steps,
        causes=found,
        consequences=tuple(map(_cause, others)),
        unread=snapshot.meta.unread,
    )


def _concerned(snapshot: Snapshot, subject: Thing) -> Iterator[Thing]:
    """Yield what an answer may lie in: the object, all below that has not ended well, and what holds it from above."""
    if state_of(subject, snapshot) == "succeeded":  # whatever failed on the way to that, or does not go
        for each in walk(snapshot, subject):
            if each.text("status.unstable") or each.text("metadata.deletionTimestamp"):
                yield each
        return
    below = list(walk(snapshot, subject, _unfinished))
    yield from below
    for step in _needed(snapshot, subject):
        yield from walk(snapshot, step)
    known = {each.ref for each in below}
    above, open_ = list[Thing](), [subject]
    while open_:
        owners = [owner for uid in open_.pop().owners if (owner := snapshot.by_uid(uid)) and owner.ref not in known]
        known.update(owner.ref for owner in owners)
        above += owners
        open_ += owners
    for owner in above:
        yield from (each for each in snapshot.below(owner) if each.ref.kind == "Workload" and each.ref not in known)


def _unfinished(snapshot: Snapshot, thing: Thing) -> Iterator[Thing]:
    """Yield what belongs to an object and neither went well nor is over."""
    is_schedule = thing.ref.kind in SCHEDULES
    below = filter(None, (last_begun(thing, snapshot),)) if is_schedule else iter(snapshot.below(thing))
    return (
        each
        for each in below
        if state_of(each, snapshot) not in ("succeeded", "skipped") and not is_overcome(each, thing, snapshot)
    )


def _of_gang(snapshot: Snapshot, subject: Thing, *, is_whole: bool) -> Iterable[Thing]:
    """Return the gang that an object is a part of, with all that concerns it where it holds that part back."""
    gang = gang_of(subject, snapshot)
    if gang is None or gang.top is subject:
        return ()
    return _concerned(snapshot, gang.top) if is_whole else (gang.top,)


def _needed(snapshot: Snapshot, step: Thing) -> Iterator[Thing]:
    """Yield the steps without whose results a step does not run, as far as these are not there."""
    known, open_ = {step.ref}, [step]
    while open_:
        for each in open_.pop().each("status.needs"):
            needed = snapshot.find("Step", each.text("step"))
            if needed is not None and needed.ref not in known:
                known.add(needed.ref)
                open_.append(needed)
                yield needed


def _seen(snapshot: Snapshot, things: Iterable[Thing]) -> Collection[_Seen]:
    """Return what rules find, each cause with all objects that show it alike."""
    groups: dict[tuple[str, str, str], _Seen] = {}
    settled: set[str] = set()
    for thing in things:
        if thing.uid and thing.uid in settled:
            continue
        explained: set[str] = set()
        for rule in _rules(thing.ref.kind, places_of(thing, snapshot)):
            for found in rule.find(thing, snapshot):
                what = {found.explains or " ".join(found.evidence[0][:2])}
                if found.explains in ("", ENDED):  # else the same is said twice, by a condition and an event
                    what.add(f"{rule.id} {found.part}")
                is_new = not what & explained
                explained |= what
                if not is_new:
                    continue
                settled.update(found.settles)
                key = rule.id, found.part, found.signature or _VARIES.sub("#", found.message)
                if key in groups:
                    groups[key].add(thing, found)
                else:
                    groups[key] = _Seen(rule, thing, found)
    return groups.values()


@lru_cache(1000)
def _rules(kind: str, places: frozenset[str]) -> tuple[Rule, ...]:
    """Return the rules that may find anything in an object of a kind."""
    return tuple(each for each in RULES if each.places & places and (not each.kinds or kind in each.kinds))


def _cause(seen: _Seen) -> Cause:
    rule, found = seen.rule, seen.found
    return Cause(
        id=rule.id,
        layer=rule.layer.name.lower(),
        confidence=rule.confidence,
        subject=str(seen.thing.ref),
        part=found.part,
        message=found.message,
        evidence=_cited(found.evidence),
        remedy=found.remedy,
        source=rule.source,
        since=found.since,
        count=len(seen.things),
    )


def _cited(found: Iterable[parts.Evidence]) -> tuple[Evidence, ...]:
    return tuple(Evidence(subject=each.subject, path=each.path, value=each.value) for each in found)


def _unknown(snapshot: Snapshot, subject: Thing, state: str) -> Cause:
    """Say that nothing is known, and what would help."""
    lacks = [
        what
        for what, is_there in (
            ("its pods", bool([each for each in walk(snapshot, subject) if each.ref.kind == "Pod"])),
            ("its events", bool(snapshot.events_of(subject))),
            ("the logs of its containers", bool(snapshot.logs)),
        )
        if not is_there
    ]
    more = f": {', '.join(lacks)} would tell more" if lacks else ""
    heard = [*(each for each in subject.conditions.values() if each.text("status") == "False" and each.text("message")),
             *(each for each in snapshot.events_of(subject) if each.text("type") == "Warning")]  # fmt: skip
    last = f"; the last that was said of it: {message_of(heard[-1]) or heard[-1].text('reason')}" if heard else ""
    return Cause(
        id="unknown",
        layer="structure",
        confidence=0.0,
        subject=str(subject.ref),
        message=shortened(f"it is {state}, and nothing that was read says why{more}{last}"),
        evidence=_cited(heard[-1].cite("message", "note", "reason")) if heard else (),
        remedy=f"kubectl describe {subject.ref.kind.lower()} {subject.ref.name} -n {subject.ref.namespace}",
    )
