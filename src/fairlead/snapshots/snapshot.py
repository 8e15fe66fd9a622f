"""A picture of a cluster, in memory: objects by kind, name and owner, what was said of them, and their last words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import msgspec

from fairlead.naming import parse_time
from fairlead.snapshots.parts import Part, Ref

_T = TypeVar("_T")

VERSION = 1
INITS, MAINS = "status.initContainerStatuses", "status.containerStatuses"


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """What is not in a snapshot although it was asked for, and why."""

    what: str
    why: str


class Meta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a snapshot is of: ``meta.json``.

    Attributes:
        version: The layout's.
        subject: What it was taken of: ``Pod ns/name``, a namespace, or a run.
        taken: When, ISO 8601 in UTC.
        unread: What is missing.
    """

    version: int = VERSION
    subject: str = ""
    taken: str = ""
    unread: tuple[Unread, ...] = ()


class LogName(NamedTuple):
    """The name of a log: of a container as it is, or of the one that was there before its restart."""

    pod: str
    container: str
    previous: bool = False


class Thing(Part):
    """A whole object."""

    @property
    def uid(self) -> str:
        """The object's uid; empty where it has none."""
        return self.text("metadata.uid")

    @property
    def owners(self) -> tuple[str, ...]:
        """The uids of what it belongs to."""
        return tuple(filter(None, (each.text("uid") for each in self.each("metadata.ownerReferences"))))

    def condition(self, kind: str) -> Part | None:
        """Return the condition of a type; None where there is none."""
        return self.conditions.get(kind)

    @cached_property
    def conditions(self) -> Mapping[str, Part]:
        """The conditions by their type."""
        return {each.text("type"): each for each in self.each("status.conditions")}

    @cached_property
    def containers(self) -> tuple[Part, ...]:
        """What is said of a pod's containers, those that come first first."""
        return tuple(each for path in (INITS, MAINS) for each in self.each(path))


def thing_of(value: Mapping[str, Any]) -> Thing | None:
    """Return an object by what it says it is; None where it has neither kind nor name."""
    whole = Part(Ref("", "", ""), "", value)
    ref = Ref(whole.text("kind"), whole.text("metadata.namespace"), whole.text("metadata.name"))
    return Thing(ref, "", value) if ref.kind and ref.name else None


class Snapshot:
    """A picture of a cluster.

    Args:
        meta: What it is of.
        objects: Objects in any order, each with its kind. What has no kind or no name is left out.
        events: Events, of either API.
        logs: The last lines of containers.
    """

    def __init__(
        self,
        meta: Meta,
        objects: Iterable[Mapping[str, Any]],
        events: Iterable[Mapping[str, Any]] = (),
        logs: Mapping[LogName, str] | None = None,
    ) -> None:
        self.meta = meta
        self.logs: Mapping[LogName, str] = logs or {}
        self.things: dict[Ref, Thing] = {}
        self._all: dict[tuple[str, Ref], Thing] = {}
        """With those of another API group that have the kind and the name of one, as a Service of Knative has."""
        for thing in map(thing_of, objects):
            if thing is not None:
                self.things.setdefault(thing.ref, thing)
                self._all.setdefault((thing.text("apiVersion").rpartition("/")[0], thing.ref), thing)
        self.events = tuple(events)
        self._worked_out: dict[object, Any] = {}

    def of_kind(self, kind: str, namespace: str | None = None) -> tuple[Thing, ...]:
        """Return the objects of a kind, in a namespace or in all."""
        found = self._kinds.get(kind, ())
        return tuple(each for each in found if namespace is None or each.ref.namespace == namespace)

    def find(self, kind: str, name: str, namespace: str = "") -> Thing | None:
        """Return an object; None where it is not in the snapshot."""
        return self.things.get(Ref(kind, namespace, name))

    def by_uid(self, uid: str) -> Thing | None:
        """Return the object with a uid; None where it is not in the snapshot."""
        return self._uids.get(uid)

    def on(self, node: Thing) -> tuple[Thing, ...]:
        """Return the pods that have a node."""
        return tuple(self._placed.get(node.ref.name, ()))

    def below(self, thing: Thing) -> tuple[Thing, ...]:
        """Return what belongs to an object directly."""
        return tuple(self._owned.get(thing.uid, ())) if thing.uid else ()

    def events_of(self, thing: Thing) -> tuple[Part, ...]:
        """Return what was said of an object, the oldest first; not of an earlier one of the same name."""
        said = self.events_about(thing.ref)
        return tuple(each for each in said if not _is_of_another(each, thing)) if thing.ref.kind == "Pod" else said

    def events_about(self, ref: Ref) -> tuple[Part, ...]:
        """Return what was said of an object that need not be in the snapshot any more, the oldest first."""
        return tuple(self._said.get(ref, ()))

    def log(self, pod: str, container: str, *, previous: bool = False) -> str:
        """Return the last lines of a container; empty where there are none."""
        return self.logs.get(LogName(pod, container, previous), "")

    def once(self, key: object, work_out: Callable[[], _T]) -> _T:
        """Return what somebody works out who reads it, and who would have to again for each of many objects.

        Args:
            key: What it is; equal keys, equal results.
            work_out: Gives it, the first time.
        """
        if key not in self._worked_out:
            self._worked_out[key] = work_out()
        found: _T = self._worked_out[key]
        return found

    @cached_property
    def now(self) -> datetime | None:
        """When it was taken; where nothing says so, when anything was last said."""
        said = (moment(time_of(each)) for events in self._said.values() for each in events)
        return moment(self.meta.taken) or max(filter(None, said), default=None)

    @cached_property
    def _kinds(self) -> dict[str, list[Thing]]:
        found: dict[str, list[Thing]] = {}
        for thing in self.things.values():
            found.setdefault(thing.ref.kind, []).append(thing)
        return found

    @cached_property
    def _uids(self) -> dict[str, Thing]:
        return {thing.uid: thing for thing in self._all.values() if thing.uid}

    @cached_property
    def _placed(self) -> dict[str, list[Thing]]:
        found: dict[str, list[Thing]] = {}
        for pod in self.of_kind("Pod"):
            found.setdefault(pod.text("spec.nodeName"), []).append(pod)
        return found

    @cached_property
    def _owned(self) -> dict[str, list[Thing]]:
        found: dict[str, list[Thing]] = {}
        for thing in self._all.values():
            for uid in thing.owners:
                found.setdefault(uid, []).append(thing)
        return found

    @cached_property
    def _said(self) -> dict[Ref, list[Part]]:
        found: dict[Ref, list[Part]] = {}
        for ref, event in map(_event, self.events):
            found.setdefault(ref, []).append(event)
        for events in found.values():
            events.sort(key=time_of)
        return found


def _event(value: Mapping[str, Any]) -> tuple[Ref, Part]:
    """Return what an event is about, and the event, whichever API it is of."""
    whole = Part(Ref("Event", "", ""), "", value)
    about = next((part for name in ("involvedObject", "regarding") if (part := whole.part(name)).value), whole)
    ref = Ref(about.text("kind"), about.text("namespace"), about.text("name"))
    named = Ref("Event", whole.text("metadata.namespace"), f"of {ref}")
    return ref, Part(named, "", value)


def _is_of_another(event: Part, thing: Thing) -> bool:
    uid = event.text("involvedObject.uid") or event.text("regarding.uid")
    is_mirror = "kubernetes.io/config.mirror" in thing.mapping("metadata.annotations")  # events have its kubelet's uid
    return bool(uid and thing.uid) and uid != thing.uid and not is_mirror


def message_of(event: Part) -> str:
    """Return what an event says, whichever API it is of."""
    return event.text("message") or event.text("note")


def time_of(event: Part) -> str:
    """Return when an event was last seen, as the cluster writes it."""
    paths = ("lastTimestamp", "series.lastObservedTime", "eventTime", "deprecatedLastTimestamp", "firstTimestamp")
    return next(filter(None, map(event.text, paths)), event.text("metadata.creationTimestamp"))


def begun_of(event: Part) -> str:
    """Return when an event was first seen, as the cluster writes it."""
    paths = ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime", "metadata.creationTimestamp")
    return next(filter(None, map(event.text, paths)), time_of(event))


def moment(text: str) -> datetime | None:
    """Return a time as the cluster writes it; None for what is none, or has no zone."""
    try:
        found = parse_time(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def walk(
    snapshot: Snapshot, top: Thing, below: Callable[[Snapshot, Thing], Iterable[Thing]] = Snapshot.below
) -> Iterator[Thing]:
    """Yield an object and all that belongs to it, however deep, each once, the upper ones first.

    Args:
        snapshot: Where they are.
        top: The object.
        below: Gives what of that which belongs to an object directly is wanted.
    """
    seen: set[Ref] = set()
    open_ = [top]
    while open_:
        following: list[Thing] = []
        for thing in open_:
            if thing.ref not in seen:
                seen.add(thing.ref)
                yield thing
                following += below(snapshot, thing)
        open_ = following
