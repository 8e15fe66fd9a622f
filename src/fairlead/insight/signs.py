"""Where causes show themselves: in what containers, conditions, events and logs say. Most rules are a sign and words.

A pattern is searched for, without regard to case. Its named groups fill the rule's sentences, beside ``{said}``, all
that stands there, ``{name}`` and ``{namespace}`` of the object, and ``{container}`` and ``{image}`` where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from fairlead.insight.findings import Found, Layer, Rule
from fairlead.snapshots.parts import Evidence, Part, shortened
from fairlead.snapshots.snapshot import INITS, MAINS, Snapshot, Thing, message_of, time_of

RECORDED = ("Run", "Step")
"""The kinds of what the records of a run say, as `fairlead.runs.picturing` writes it."""


class Seen(NamedTuple):
    """A sign that was seen: what it rests on, what fills the sentences, and what else `Found` has of it."""

    evidence: tuple[Evidence, ...]
    words: dict[str, str]
    since: str = ""
    part: str = ""
    explains: str = ""
    signature: str = ""
    settles: tuple[str, ...] = ()


class Sign(NamedTuple):
    """Where a cause may show itself, and what finds it there.

    Attributes:
        place: The sort of place, one of those of `places_of`: without it nothing is looked for.
        find: Yields what is seen in an object.
    """

    place: str
    find: Callable[[Thing, Snapshot], Iterator[Seen]]


def places_of(thing: Thing, snapshot: Snapshot) -> frozenset[str]:
    """Return in which places of an object anything may show itself: most rules need not look at most objects."""
    found = {f"condition {kind}" for kind in thing.conditions}
    if any(each.part("state.waiting").value is not None for each in thing.containers):
        found.add("waiting")
    if thing.ends:
        found.add("ended")
        found |= {"log"} if snapshot.logs else set()
    if snapshot.events_of(thing):
        found.add("event")
    if thing.text("status.message"):
        found.add("status.message")
    if thing.text("status.phase") == "Failed" and thing.text("status.reason"):
        found.add("failed")
    if thing.ref.kind == "Pod" and not thing.text("spec.nodeName"):
        found.add("unplaced")
    if thing.ref.kind in RECORDED:
        found.add("phase")
        found |= {"status.unstable"} if thing.text("status.unstable") else set()
        found |= {"attempt", "log"} if thing.value.get("status", {}).get("attempts") else set()
    return frozenset(found)


def rule(
    id: str,
    layer: Layer,
    *signs: Sign,
    message: str,
    remedy: str,
    source: str,
    kinds: tuple[str, ...] | None = None,
    confidence: float = 1.0,
    is_consequence: bool = False,
) -> Rule:
    """Make a rule of signs, any of which shows the cause: of pods, and of steps where it is in what they wrote."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Found]:
        for sign in signs:
            for seen in sign.find(thing, snapshot):
                words = _Words({"name": thing.ref.name, "namespace": thing.ref.namespace, **seen.words})
                yield Found(
                    seen.evidence,
                    shortened(message.format_map(words)),
                    remedy.format_map(words),
                    seen.since,
                    seen.part,
                    seen.explains,
                    seen.signature,
                    seen.settles,
                )

    places = frozenset(sign.place for sign in signs)
    of = ("Pod", "Step") if "log" in places else ("Pod",)
    return Rule(id, layer, of if kinds is None else kinds, places, find, source, confidence, is_consequence)


def waits(reason: str, message: str = "", *, lists: Collection[str] = (INITS, MAINS)) -> Sign:
    """A container that waits, for a reason and with a message."""

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for container in _listed(pod, lists):
            state = container.part("state.waiting")
            own = state.text("message")
            said = [own, *(each for each in _events_of(container, pod, snapshot) if each.partition(": ")[2] not in own)]
            if (
                said
                and _matches(reason, state.text("reason"))
                and (words := _words(message, " ".join(said))) is not None
            ):
                evidence = (*state.cite("reason", "message"), *container.cite("image"))
                yield Seen(evidence, words | _of_container(container), "", container.text("name"), container.path)

    return Sign("waiting", find)


def ended(
    reason: str = "",
    message: str = "",
    *,
    codes: Collection[int] = (),
    lists: Collection[str] = (INITS, MAINS),
) -> Sign:
    """A container that has ended badly, now or before its last restart."""
    listed = tuple(lists)

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for container, state, code, said in pod.ends:
            if (codes and code not in codes) or not _matches(reason, said) or not container.path.startswith(listed):
                continue
            words = _words(message, state.text("message"))
            if words is not None:
                words |= {"code": str(code), **_of_container(container)}
                evidence = state.cite("exitCode", "reason", "message")
                yield Seen(evidence, words, state.text("finishedAt"), container.text("name"), container.path)

    return Sign("ended", find)


def fails(reason: str, message: str = "") -> Sign:
    """A pod that has failed as a whole, by the kubelet's word."""

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = _words(message, pod.text("status.message")) if _matches(reason, pod.text("status.reason")) else None
        if words is not None:
            yield Seen(pod.cite("status.reason", "status.message"), words)

    return Sign("failed", find)


def has(kind: str, status: str, reason: str = "", message: str = "") -> Sign:
    """A condition of a type with a status, a reason and a message."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        condition = thing.condition(kind)
        if condition is None or condition.text("status") != status or not _matches(reason, condition.text("reason")):
            return
        words = _words(message, condition.text("message"))
        if words is not None:
            since = condition.text("lastTransitionTime")
            yield Seen(
                condition.cite("message", "reason", "status"), words | {"reason": condition.text("reason")}, since
            )

    return Sign(f"condition {kind}", find)


def event(reason: str, message: str = "") -> Sign:
    """An event of an object, with a reason and a message; the last of them, if there are several."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for each in reversed(snapshot.events_of(thing)):
            words = _words(message, message_of(each))
            if _matches(reason, each.text("reason")) and words is not None:
                yield Seen(each.cite("message", "note", "reason"), words, time_of(each))
                return

    return Sign("event", find)


def says(field: str, message: str) -> Sign:
    """A field with a text."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = _words(message, thing.text(field))
        if thing.text(field) and words is not None:
            yield Seen(thing.cite(field), words)

    return Sign(field, find)


def logs(pattern: str) -> Sign:
    """A line of a log of a container that has ended badly, or was restarted, or of a step's error; the last such."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        yield from _in_attempts(compiled, pod)
        for container, state, _, _ in pod.ends:
            name = container.text("name")
            previous = state.path.endswith("lastState.terminated")
            lines = snapshot.log(pod.ref.name, name, previous=previous).splitlines()
            number = next((n for n in reversed(range(len(lines))) if compiled.search(lines[n])), None)
            if number is not None:
                path = f"logs/{pod.ref.name}/{name}{'.previous' if previous else ''}.log:{number + 1}"
                evidence = Evidence(str(pod.ref), path, shortened(lines[number]))
                words = (_words(pattern, lines[number]) or {}) | _of_container(container)
                yield Seen((evidence,), words, state.text("finishedAt"), name, container.path)

    return Sign("log", find)


def phase(word: str, reason: str = "", *, needs: bool = False) -> Sign:
    """What has become of a run or a step by its records, and why in their words; with `needs`, only where it waits."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = _words(reason, thing.text("status.reason")) if _matches(word, thing.text("status.phase")) else None
        needed = [f"{each.text('step')}, which is {each.text('status')}" for each in thing.each("status.needs")]
        if words is None or thing.value["status"].get("attempts") or (needs and not needed):
            return
        more = f", and for {len(needed) - 1} more" if len(needed) > 1 else ""
        words |= {"needs": f"{needed[0]}{more}" if needed else ""}
        yield Seen(thing.cite("status.phase", "status.reason"), words, thing.text("status.finishedAt"))

    return Sign("phase", find)


def attempt(kind: str, message: str = "", *, settles: bool = True) -> Sign:
    """An attempt of a step that gave no result, by the type and the message of its error.

    Args:
        kind: A pattern for the type, as a whole.
        message: A pattern for the message.
        settles: Whether this is what the step has said itself, so that its pod needs no further explanation.
    """

    def find(step: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for each in step.each("status.attempts"):
            words = _words(message, each.text("error.message")) if _matches(kind, each.text("error.type")) else None
            if words is not None:
                evidence = each.cite("error.type", "error.message", "error.line", "error.frame", "exitCode", "signal")
                yield _of_attempt(step, each, evidence, words, settles=settles)

    return Sign("attempt", find)


def _in_attempts(pattern: re.Pattern[str], step: Thing) -> Iterator[Seen]:
    """Yield what a pattern finds in the errors of a step's attempts, and in what was written last before them."""
    for each in step.each("status.attempts"):
        for path in ("error.message", "error.log"):
            line = next(filter(pattern.search, reversed(each.text(path).splitlines())), None)
            if line is not None:
                words = {**(_words(pattern.pattern, line) or {}), "said": shortened(line)}
                yield _of_attempt(step, each, each.cite("error.type", path), words, settles=True)
                break


def _of_attempt(
    step: Thing, part: Part, evidence: tuple[Evidence, ...], words: dict[str, str], *, settles: bool
) -> Seen:
    """Return what was seen in an attempt. What has one type and one place in the user's code is one cause."""
    kind, frame = part.text("error.type"), part.text("error.frame")
    more = {
        "type": kind,
        "where": f", at {frame}" if frame else "",
        "memory": step.text("spec.memory"),
        "code": part.text("exitCode"),
    }
    return Seen(
        evidence,
        {**more, **words},
        part.text("finishedAt"),
        explains=part.path,
        signature=f"{kind} {frame}" if frame else "",
        settles=(part.text("podUid"),) if settles else (),
    )


class _Words(dict[str, str]):
    """What fills sentences; what nothing has said is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def _listed(pod: Thing, lists: Collection[str]) -> Iterator[Part]:
    return (each for each in pod.containers if each.path.startswith(tuple(lists)))


def _of_container(container: Part) -> dict[str, str]:
    return {"container": container.text("name"), "image": container.text("image")}


def _events_of(container: Part, pod: Thing, snapshot: Snapshot) -> Iterator[str]:
    """Yield what an event says last of a container's image: more than its state once the kubelet only backs off."""
    image = container.text("image")
    for each in reversed(snapshot.events_of(pod)):
        if each.text("reason") in ("Failed", "InspectFailed") and image and image in message_of(each):
            yield message_of(each)
            return


def _matches(pattern: str, text: str) -> bool:
    return not pattern or re.fullmatch(pattern, text) is not None


def _words(pattern: str, text: str) -> dict[str, str] | None:
    """Return what a pattern finds in a text, by the names of its groups; None where it finds nothing."""
    found = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    return {"said": shortened(text), **{name: value for name, value in found.groupdict().items() if value is not None}}
