"""Cases for the rules: recorded troubles and pictures made by hand, each in several dresses.

A dress changes what does not matter, and the answer must stay: names, sizes, the words of other versions, noise, the other
API of events, an owner above. Some take evidence away: then the answer may be less, and must not be another.

A third of the cases is set aside by the hash of their names. Nobody looks at which of those fail: rules are written by the
others, and only the share of right answers is printed of these.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.insight.why import Answer, explain
from fairlead.runs.snapshotting import subject_of
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import LogName, Meta, Snapshot, thing_of
from insight import by_hand_pods, by_operators
from insight import pictures as p
from insight.troubles import TROUBLES
from insight.words import BY_EVENTS, UNREADABLE_NODES, WORDINGS

CORPUS = Path(__file__).parent / "corpus"
Value = Any


class Base(NamedTuple):
    """A picture before it is dressed: what it is of, what is right, and how the workload is, where that is known."""

    name: str
    cause: str
    state: str
    subject: tuple[str, str, str]
    objects: list[Value]
    events: list[Value]
    logs: dict[LogName, str]
    taken: str = p.TAKEN


class Case(NamedTuple):
    """A dressed picture; `right` are the answers that are right, the best of them first."""

    name: str
    base: Base
    right: tuple[str, ...]
    also: str = ""

    @property
    def is_set_aside(self) -> bool:
        """Whether nobody is to look at it."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 3 == 0

    def answer(self) -> Answer:
        """Explain it."""
        base = self.base
        snapshot = Snapshot(Meta(taken=base.taken), base.objects, base.events, base.logs)
        kind, namespace, name = base.subject
        found = snapshot.find(kind, name, namespace)
        assert found is not None, self.name
        return explain(snapshot, found)


def bases() -> Iterator[Base]:
    """Yield the pictures made by hand, and the recorded ones."""
    for case in (*by_hand_pods.CASES, *by_operators.CASES):
        found = thing_of(case.subject)
        assert found is not None
        objects = [thing.value for thing in case.snapshot.things.values()]
        events, logs = list(case.snapshot.events), dict(case.snapshot.logs)
        yield Base(f"by-hand/{case.name}", case.cause, "", tuple(found.ref), objects, events, logs)
    for trouble in TROUBLES:
        file = CORPUS / f"{trouble.name}.tgz"
        if file.exists():
            snapshot = bundles.read(file)
            found = subject_of(snapshot, trouble.subject, "")
            objects = [thing.value for thing in snapshot.things.values()]
            events, logs = [dict(each) for each in snapshot.events], dict(snapshot.logs)
            yield Base(f"recorded/{trouble.name}", trouble.cause, trouble.state, tuple(found.ref), objects, events, logs,
                       snapshot.meta.taken)  # fmt: skip


# Dresses -------------------------------------------------------------------------------------------
def _mapped(value: Value, change: Callable[[str], str]) -> Value:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    return {key: _mapped(each, change) for key, each in value.items()} if isinstance(value, dict) else value


def _changed(base: Base, change: Callable[[str], str]) -> Base:
    """Return a picture with every text changed."""
    logs = {
        LogName(change(name.pod), change(name.container), name.previous): change(text)
        for name, text in base.logs.items()
    }
    kind, namespace, name = base.subject
    subject = kind, change(namespace), change(name)
    return base._replace(
        objects=_mapped(base.objects, change), events=_mapped(base.events, change), logs=logs, subject=subject
    )


def _renamed(base: Base, seed: random.Random) -> Base:
    """Give other names to the namespace, the objects and the containers."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    namespace = seed.choice(("ml-dev", "research", "prod-serving", "kubeflow-user-example-com", "team-42"))
    given = {base.subject[1]: namespace} if base.subject[1] else {}
    for each in base.objects:
        metadata = each.get("metadata", {})
        if metadata.get("namespace") and each["kind"] in (
            "Pod",
            "Job",
            "JobSet",
            "Workflow",
            "Deployment",
            "ReplicaSet",
        ):
            stem = seed.choice(("fit", "train-bert", "etl", "llm-sft", "sweep", "resnet50-imagenet"))
            name = f"{stem}-{''.join(seed.choices(letters, k=5))}"
            given.setdefault(metadata["name"], name)
    long = {old: new for old, new in given.items() if len(old) > 3}
    words = (
        re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, sorted(long, key=len, reverse=True))) + r")(?![\w])")
        if long
        else None
    )

    def change(text: str) -> str:
        if text in given:
            return given[text]
        return words.sub(lambda found: long[found.group()], text) if words else text

    return _changed(base, change)


def _of_other_api(base: Base, seed: random.Random) -> Base | None:
    """Write events as events.k8s.io/v1 has them."""

    def event(value: Value) -> Value:
        kept = {key: value[key] for key in ("metadata", "reason", "type") if key in value}
        seen = value.get("lastTimestamp") or value.get("eventTime") or p.BEGUN
        return kept | {
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": value.get("involvedObject", {}),
            "note": value.get("message", ""), "eventTime": value.get("firstTimestamp") or seen,
            "series": {"count": 7, "lastObservedTime": seen}, "reportingController": "kubelet",
        }  # fmt: skip

    return base._replace(events=[event(each) for each in base.events]) if base.events else None


def _noisy(base: Base, seed: random.Random) -> Base:
    """Add what is well, what is not and is of others, and what is said of everything."""
    namespace = base.subject[1]
    others = [
        p.pod("web-1", spec={"nodeName": "n9"}, phase="Running", conditions=[p.condition("Ready", "True")]),
        p.ended(137, "OOMKilled", name="other-1", at="2026-11-20T09:00:00Z"),
        p.waiting("ErrImagePull", "manifest unknown", name="other-2"),
        p.unplaced("0/3 nodes are available: 3 Insufficient cpu.", name="other-3"),
        p.job("other-4", conditions=[p.condition("Failed", "True", "DeadlineExceeded", "too long")]),
    ]
    said = [
        p.event(
            "Scheduled", "Successfully assigned it to n1", kind=base.subject[0], name=base.subject[2], space=namespace
        ),
        p.event(
            "Pulled",
            "Container image already present on machine",
            kind=base.subject[0],
            name=base.subject[2],
            space=namespace,
        ),
        p.event(
            "FailedMount",
            'MountVolume.SetUp failed for volume "x": secret "y" not found',
            name="other-5",
            space=namespace,
        ),
        p.event("NodeHasDiskPressure", "Node n7 status is now: NodeHasDiskPressure", kind="Node", name="n7", space=""),
        p.event("Unhealthy", "Liveness probe failed: timeout", name="web-1", space=namespace),
    ]
    for each in others:
        each["metadata"]["namespace"] = namespace
    objects, events = [*base.objects, *others], [*base.events, *said[:1], *said[2:]]
    seed.shuffle(objects)
    seed.shuffle(events)
    return base._replace(objects=objects, events=events)


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _worded(base: Base) -> Iterator[tuple[int, Base]]:
    """Say it as other versions or other components do."""
    said = "\n".join((*_texts(base.objects), *_texts(base.events), *base.logs.values()))
    for number, (pattern, replacement, _) in enumerate(WORDINGS):
        compiled = re.compile(pattern, re.MULTILINE)
        if compiled.search(said):
            yield number, _changed(base, lambda text, of=compiled, to=replacement: of.sub(to, text))  # type: ignore[misc]


def _larger(base: Base, seed: random.Random) -> Base | None:
    """Have more of everything: nodes in the words of the scheduler, and pods beside the one that shows it."""
    factor = seed.choice((3, 40, 700))

    def grown(found: re.Match[str]) -> str:
        head, _, rest = found.group().partition(": ")
        counts = re.sub(
            r"(?<![\w./-])(\d+)(?= (?:node|Insufficient|Too|cannot))", lambda n: str(int(n.group()) * factor), rest
        )
        total = re.sub(r"/(\d+)", lambda n: f"/{int(n[1]) * factor}", head)
        return f"{total}: {counts}"

    scaled = _changed(base, lambda text: re.sub(r"0/\d+ nodes are available: .*", grown, text))
    pods = [each for each in scaled.objects if each["kind"] == "Pod" and each["metadata"].get("ownerReferences")]
    copies = []
    for number in range(factor % 37 if pods else 0):
        copy = json.loads(json.dumps(pods[0]))
        copy["metadata"]["name"] += f"-x{number}"
        copy["metadata"]["uid"] = f"{copy['metadata'].get('uid', '')}-x{number}"
        copies.append(copy)
    if not copies and scaled.objects == base.objects and scaled.events == base.events:
        return None
    return scaled._replace(objects=[*scaled.objects, *copies])


def _owned(base: Base, seed: random.Random) -> Base | None:
    """Ask about an owner of the pod instead."""
    if base.subject[0] != "Pod":
        return None
    kind, version = seed.choice((("Job", "batch/v1"), ("PyTorchJob", "kubeflow.org/v1"), ("StatefulSet", "apps/v1")))
    owner = p.thing(kind, "above", status={"active": 1})
    owner["metadata"]["namespace"], owner["apiVersion"] = base.subject[1], version
    objects = json.loads(json.dumps(base.objects))
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == ("Pod", base.subject[2]):
            if each["metadata"].get("ownerReferences"):
                return None
            each["metadata"]["ownerReferences"] = [
                {"kind": kind, "name": "above", "uid": "above", "apiVersion": version}
            ]
    return base._replace(objects=[owner, *objects], subject=(kind, base.subject[1], "above"), state="")


_SAME: tuple[tuple[str, Callable[[Base, random.Random], Base | None]], ...] = (
    ("renamed", _renamed), ("other-events", _of_other_api), ("noisy", _noisy), ("larger", _larger), ("owned", _owned),
)  # fmt: skip


def _dressed(base: Base) -> Iterator[Case]:
    yield Case(f"{base.name}/plain", base, (base.cause,))
    for name, dress in _SAME:
        full = f"{base.name}/{name}"
        if (found := dress(base, random.Random(full))) is not None:
            yield Case(full, found, (base.cause,))
    for number, found in _worded(base):
        yield Case(f"{base.name}/worded-{number}", found, (base.cause,))
    if base.events:
        less = BY_EVENTS.get(base.cause, ())
        yield Case(f"{base.name}/without-events", base._replace(events=[]), (base.cause, *less))
    if any(each["kind"] == "Node" for each in base.objects):
        without = [each for each in base.objects if each["kind"] != "Node"]
        less = UNREADABLE_NODES.get(base.cause, ())
        yield Case(f"{base.name}/without-nodes", base._replace(objects=without), (base.cause, *less))


def _at(base: Base, moment: str) -> Base:
    """Have the containers of a picture end at a moment."""
    objects = json.loads(json.dumps(base.objects))

    def moved(value: Value) -> None:
        for key, each in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            if key in ("finishedAt", "lastTransitionTime", "startedAt"):
                value[key] = moment
            else:
                moved(each)

    moved(objects)
    return base._replace(objects=objects)


_SHARED = (
    "killed", "rendezvous-failed", "deleted", "stuck-terminating", "gpu-broken", "network-policy-blocks",
)  # fmt: skip
"""What follows from others, or has a sign that is not of one pod alone: a node's, a namespace's."""


def _several(found: Sequence[Base], count: int) -> Iterator[Case]:
    """Yield pictures of a Job of which two pods ended, each by a cause of its own: the earlier is the first."""
    seed = random.Random("several")
    ended = [
        each for each in found
        if each.subject[0] == "Pod" and each.cause not in _SHARED
        and "/" in each.name and each.name.startswith("by-hand")
        and any('"finishedAt"' in json.dumps(thing.get("status", {})) for thing in each.objects[:1])
    ]  # fmt: skip
    for number in range(count):
        first, second = seed.sample(ended, 2)
        if first.cause == second.cause:
            continue
        one, two = _at(first, "2026-11-20T10:01:00Z"), _at(second, "2026-11-20T10:11:00Z")
        two = _changed(two, lambda text: "q" if text == "p" else text)
        owner = p.job("both", conditions=[p.condition("Failed", "True", "BackoffLimitExceeded", "x", at=p.LATER)])
        objects = json.loads(json.dumps([*two.objects, *one.objects]))
        for each in objects:
            if each["kind"] == "Pod" and each["metadata"]["name"] in ("p", "q"):
                each["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "both", "uid": "both"}]
                each["metadata"]["uid"] = each["metadata"]["name"]
        base = Base(f"several-{number}", first.cause, "failed", ("Job", p.NAMESPACE, "both"), [owner, *objects],
                    [*one.events, *two.events], {**one.logs, **two.logs})  # fmt: skip
        yield Case(f"several/{number}-{first.cause}-{second.cause}", base, (first.cause,), second.cause)


def nonsense() -> Iterator[Case]:
    """Yield pictures that say nothing, or nothing that means anything."""
    seed = random.Random("nonsense")
    words = [
        "blorp",
        "quux",
        "zanth",
        "fleem",
        "node",
        "pod",
        "grommet",
        "volume",
        "tick",
        "image",
        "wibble",
        "queue",
        "memory",
        "plonk",
    ]

    def babble() -> str:
        return " ".join(seed.choices(words, k=seed.randint(2, 9)))

    for number in range(60):
        said = babble()
        pictured: list[Value] = [
            p.pod(phase="Pending"),
            p.waiting(seed.choice(words).title(), said),
            p.pod(phase="Pending", conditions=[p.condition(seed.choice(words).title(), "False", "Because", said)]),
            p.job(active=0, conditions=[p.condition(seed.choice(words).title(), "True", "Because", said)]),
            p.thing("Wibble", "w", status={"phase": "Pending", "message": said}),
            p.workload("", "") | {"status": {}},
        ]
        subject = pictured[number % len(pictured)]
        found = thing_of(subject)
        assert found is not None
        heard = [p.event(seed.choice(words).title(), babble(), kind=found.ref.kind, name=found.ref.name)]
        base = Base(f"nonsense-{number}", "unknown", "", tuple(found.ref), [subject], heard * (number % 2), {})
        yield Case(f"nonsense/{number}", base, ("unknown",))


def cases() -> Iterator[Case]:
    """Yield every case."""
    found = list(bases())
    yield from (case for base in found for case in _dressed(base))
    yield from _several(found, 60)
    yield from nonsense()
