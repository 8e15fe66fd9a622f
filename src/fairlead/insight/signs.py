"""Where causes show themselves: in what containers, conditions, events and logs say. Most rules are a sign and words.

A pattern is searched for, without regard to case. Its named groups fill the rule's sentences, beside ``{said}``, all
that stands there, ``{name}`` and ``{namespace}`` of the object, and ``{container}`` and ``{image}`` where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from fairlead.insight.attempts import NODE_ID, overcome_steps
from fairlead.insight.ends import End, ends_of
from fairlead.insight.findings import Found, Layer, Rule
from fairlead.insight.gangs import GANGS
from fairlead.insight.lines import last_of
from fairlead.insight.recorded import KINDS, in_attempts, places_of_records
from fairlead.insight.seeing import Seen, Sign, matches, named, words_in
from fairlead.insight.states import is_well
from fairlead.snapshots.parts import Evidence, Part, shortened
from fairlead.snapshots.snapshot import INITS, MAINS, Snapshot, Thing, begun_of, message_of

QUEUED, ENDED = "its admission", "its end"
"""What is explained of a Workload, and of a pod that was ended as a whole: whatever says it, it is one thing."""
_LINE_MAX = 2000
"""So many characters of a line are looked at: patterns take long for what has no end."""
_BY_SIGNAL = (130, 143)
"""Exit codes of programs that somebody ended, by SIGINT or SIGTERM."""
_OF_STEPS = ("DAG", "Retry", "StepGroup", "Steps", "TaskGroup")
"""Nodes of a workflow that are as those below them are."""
SPARK_SAYS = "status.applicationState.errorMessage"
_TEXTS = ("status.message", "status.modelStatus.lastFailureInfo.message", SPARK_SAYS)
_TELLING = ("RayJob", "RayService", "SparkApplication")
"""Kinds that repeat in a text what their program wrote last."""


def places_of(thing: Thing, snapshot: Snapshot) -> frozenset[str]:
    """Return in which places of an object anything may show itself: most rules need not look at most objects."""
    found = {f"condition {kind}" for kind in thing.conditions}
    if any(each.part("state.waiting").value is not None for each in thing.containers):
        found.add("waiting")
    if ends_of(thing, snapshot):
        found.add("ended")
        found |= {"log"} if _written(thing, snapshot) else set()
    if snapshot.events_of(thing) and not is_well(thing, snapshot):
        found.add("event")
    found |= {field for field in _TEXTS if thing.text(field)}
    found |= {"log"} if any(_told(thing)) else set()
    if thing.text("status.phase") == "Failed" and thing.text("status.reason"):
        found.add("failed")
    if thing.ref.kind == "Pod":
        found.add("placed" if thing.text("spec.nodeName") else "unplaced")
    if thing.text("metadata.deletionTimestamp"):
        found.add("deleting")
    if thing.mapping("status.nodes"):
        found.add("steps")
    if thing.ref.kind == "Workload":
        found |= {"queued", "checks"}
    if thing.ref.kind in ("Node", "PodDisruptionBudget"):
        found.add("evicting")
    if thing.ref.kind in GANGS:
        found.add("gang")
    if thing.ref.kind != "Pod" and (thing.part("spec").value or thing.conditions):
        found.add("paused")
    if not thing.part("status").value:
        found.add("unheard")
    found |= places_of_records(thing)
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
    of = ("Pod", "Step", *_TELLING) if "log" in places else ("Pod",)
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
                and matches(reason, state.text("reason"))
                and (words := words_in(message, " ".join(said))) is not None
            ):
                evidence = (*state.cite("reason", "message"), *container.cite("image"))
                since = pod.text("status.startTime")
                yield Seen(evidence, words | _of_container(container), since, container.text("name"), container.path)

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
        for container, state, code, said in ends_of(pod, snapshot):
            if (codes and code not in codes) or not matches(reason, said) or not container.path.startswith(listed):
                continue
            words = words_in(message, state.text("message"))
            if words is not None:
                words |= {"code": str(code), **_of_container(container)}
                words["said"] = words["said"] or _lastwords_in(container, pod, snapshot)
                evidence = state.cite("exitCode", "reason", "message")
                yield Seen(evidence, words, state.text("finishedAt"), container.text("name"), container.path)

    return Sign("ended", find)


def fails(reason: str, message: str = "") -> Sign:
    """A pod that has failed as a whole, by the kubelet's word."""

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = words_in(message, pod.text("status.message")) if matches(reason, pod.text("status.reason")) else None
        if words is not None:
            evidence = pod.cite("status.reason", "status.message")
            yield Seen(evidence, words, _end_of(pod, snapshot), explains=ENDED)

    return Sign("failed", find)


def _end_of(pod: Thing, snapshot: Snapshot) -> str:
    """Return when a pod ended, as far as anything says so."""
    target = pod.condition("DisruptionTarget")
    ends = [state.text("finishedAt") for _, state, _, _ in ends_of(pod, snapshot)]
    return (target.text("lastTransitionTime") if target else "") or max(ends, default="")


def has(kind: str, status: str, reason: str = "", message: str = "") -> Sign:
    """A condition of a type with a status, a reason and a message."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        condition = thing.condition(kind)
        if condition is None or condition.text("status") != status or not matches(reason, condition.text("reason")):
            return
        words = words_in(message, condition.text("message"))
        if words is not None:
            words |= {"reason": condition.text("reason")}
            evidence, since = condition.cite("message", "reason", "status"), condition.text("lastTransitionTime")
            explains = QUEUED if thing.ref.kind == "Workload" else ENDED if kind == "DisruptionTarget" else ""
            yield Seen(evidence, words, since, explains=explains)

    return Sign(f"condition {kind}", find)


def event(reason: str, message: str = "", *, before_start: bool = False) -> Sign:
    """An event of an object, or of a container of it, with a reason and a message; the last, if there are several.

    Args:
        reason: A pattern for the reason, as a whole.
        message: A pattern for the message.
        before_start: Whether it explains nothing any more once a container of the pod has begun.
    """

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        if before_start and _has_begun(thing):
            return
        for each in reversed(snapshot.events_of(thing)):
            words = words_in(message, message_of(each))
            if matches(reason, each.text("reason")) and words is not None:
                container = _container_of(each, thing)
                of_it = (
                    (_of_container(container), container.text("name"), container.path) if container else ({}, "", "")
                )
                yield Seen(each.cite("message", "note", "reason"), words | of_it[0], begun_of(each), *of_it[1:])
                return

    return Sign("event", find)


def _has_begun(pod: Thing) -> bool:
    states = ("state.running", "state.terminated", "lastState.terminated")
    return any(each.part(path).value for each in pod.containers for path in states)


def _container_of(event: Part, pod: Thing) -> Part | None:
    """Return what is said of the container that an event is about; None where it is about the whole."""
    path = event.text("involvedObject.fieldPath") or event.text("regarding.fieldPath")
    name = path.partition("{")[2].rstrip("}")
    return next((each for each in pod.containers if name and each.text("name") == name), None)


def step(message: str) -> Sign:
    """A step of a workflow that failed, by what is said of it: where its pod is not known, which would say more."""
    compiled = re.compile(message, re.IGNORECASE | re.DOTALL)

    def find(workflow: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        known = {pod.mapping("metadata.annotations").get(NODE_ID) for pod in snapshot.below(workflow)}
        known |= overcome_steps(workflow)
        nodes = [Part(workflow.ref, f"status.nodes.{name}", each)
                 for name, each in workflow.mapping("status.nodes").items() if name not in known]  # fmt: skip
        for node in sorted(nodes, key=lambda each: each.text("type") in _OF_STEPS):
            said = node.text("message")
            if node.text("phase") not in ("Failed", "Error", "Pending") or not said:
                continue
            if (found := compiled.search(said)) is not None:
                words = {"said": shortened(said), "step": node.text("displayName"), **named(found)}
                yield Seen(node.cite("message", "phase", "displayName"), words, node.text("finishedAt"), "", node.path)

    return Sign("steps", find)


def says(field: str, message: str) -> Sign:
    """A field with a text."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = words_in(message, thing.text(field))
        if thing.text(field) and words is not None:
            yield Seen(thing.cite(field), words)

    return Sign(field, find)


def logs(pattern: str, *, often_caught: bool = False) -> Sign:
    """The last such line of what a container has written that ended badly, or was restarted, or of a step's error.

    Args:
        pattern: A pattern for the line.
        often_caught: Whether programs often go on after it, see `fairlead.insight.lines`.
    """
    compiled = re.compile(pattern, re.IGNORECASE)

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        if pod.ref.kind in KINDS:
            yield from in_attempts(compiled, pod, snapshot)
        for part, since in _told(pod) if pod.ref.kind in _TELLING else ():
            lines = _lines_of(str(part.value))
            number = last_of(compiled, lines, often_caught=often_caught)
            if number is not None:
                evidence = Evidence(str(pod.ref), part.path, shortened(lines[number]))
                settles = tuple(
                    each.uid for job in snapshot.below(pod) if job.ref.kind == "Job" for each in snapshot.below(job)
                )
                yield Seen((evidence,), words_in(pattern, lines[number]) or {}, since, settles=settles)
        for end, written in _written(pod, snapshot):
            for path, lines in written:
                number = last_of(compiled, lines, often_caught=often_caught, by_signal=end.code in _BY_SIGNAL)
                if number is not None:
                    container = end.container
                    evidence = Evidence(str(pod.ref), f"{path}:{number + 1}", shortened(lines[number]))
                    words = words_in(pattern, lines[number]) or {}
                    words |= {"code": str(end.code), **_of_container(container)}
                    since = end.state.text("finishedAt")
                    yield Seen((evidence,), words, since, container.text("name"), container.path)
                    break

    return Sign("log", find)


def _told(thing: Thing) -> Iterator[tuple[Part, str]]:
    """Yield what a workload repeats of its program's last words, and when it ended."""
    if thing.ref.kind == "RayJob" and thing.text("status.jobStatus") == "FAILED":
        yield thing.part("status.message"), thing.text("status.endTime")
    if thing.ref.kind == "SparkApplication" and "spark-submit" in thing.text(SPARK_SAYS):
        yield thing.part(SPARK_SAYS), thing.text("status.lastSubmissionAttemptTime")
    for path in ("status.activeServiceStatus", "status.pendingServiceStatus") if thing.ref.kind == "RayService" else ():
        apps = thing.part(f"{path}.applicationStatuses")
        for name, app in apps.value.items() if isinstance(apps.value, dict) else ():
            said = Part(thing.ref, f"{apps.path}.{name}", app)
            if said.text("status") in ("DEPLOY_FAILED", "UNHEALTHY"):
                yield said.part("message"), ""


_Text = tuple[str, tuple[str, ...]]
"""Where something was written, and its lines."""


def _written(pod: Thing, snapshot: Snapshot) -> tuple[tuple[End, tuple[_Text, ...]], ...]:
    """Return what containers wrote that ended badly, those alone that wrote anything; once for all rules."""

    def gather() -> tuple[tuple[End, tuple[_Text, ...]], ...]:
        texts = ((end, tuple(_texts(end, pod, snapshot))) for end in ends_of(pod, snapshot))
        return tuple((end, written) for end, written in texts if written)

    return snapshot.once(("written", pod.ref), gather)


def _texts(end: End, pod: Thing, snapshot: Snapshot) -> Iterator[_Text]:
    """Yield what a container has written: its log, and the message that it left, or that the kubelet took from that."""
    name = end.container.text("name")
    previous = end.state.path.endswith("lastState.terminated")
    log = snapshot.log(pod.ref.name, name, previous=previous)
    if lines := _lines_of(log):
        yield f"logs/{pod.ref.name}/{name}{'.previous' if previous else ''}.log", lines
    if lines := _lines_of(end.state.text("message")):
        yield f"{end.state.path}.message", lines


@lru_cache(16)  # every rule asks for the same few logs
def _lines_of(text: str) -> tuple[str, ...]:
    return tuple(line[:_LINE_MAX] for line in text.splitlines())


def _lastwords_in(container: Part, pod: Thing, snapshot: Snapshot) -> str:
    """Return the last line that a container wrote; empty where it wrote none."""
    written = (texts for end, texts in _written(pod, snapshot) if end.container.path == container.path)
    for _, lines in next(written, ()):
        if said := next((line for line in reversed(lines) if line.strip()), ""):
            return shortened(said)
    return ""


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
