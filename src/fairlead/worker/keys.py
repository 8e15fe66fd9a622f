"""Cache keys: what decides that a step would return the same again.

The parts are kept apart by name, so that it can be said which of them differs. Where a step runs is no part:
the same step has the same key on a laptop and on a cluster.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from fairlead.naming import digest_bytes
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Runtime, Single
from fairlead.specs.steps import ContainerStep, Step, SweepStep
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.worker.resolving import Resolver
from fairlead.worker.tasks import DictInput, Given, Input, ListInput, Stored


def fixed_parts(step: Step, source: Mapping[str, str], python: str) -> dict[str, str]:
    """Return the parts that all instances of a definition share.

    Args:
        step: The definition.
        source: Digests of its function and of what the function reaches, by name.
        python: The minor version of Python, ``"3.12"``.
    """
    parts = {f"source {name}": digest for name, digest in sorted(source.items())}
    parts["python"] = python
    environment = step.environment
    if environment.packages:
        parts["packages"] = _digest(sorted(environment.packages))
    if environment.lock is not None:
        parts["packages"] = environment.lock.digest
    if environment.variables:
        parts["variables"] = _digest(dict(sorted(environment.variables.items())))
    if not isinstance(step.runtime, Single):
        parts["runtime"] = _digest(_without_resources(step.runtime))
    if isinstance(step, SweepStep):
        parts["sweep"] = _digest(msgspec.structs.replace(step, name="sweep", parallel=1, trial=""))
    if isinstance(step, ContainerStep):
        parts["command"] = _digest([step.image, *step.command])
    if step.cache == "exact":
        parts["hardware"] = _digest([environment.image, step.resources.gpus])
    return parts


def _without_resources(runtime: Runtime) -> Runtime:
    """Leave the resources of a runtime's roles away: like a step's, they do not decide what it returns."""
    roles = {name: msgspec.structs.replace(role, resources=Resources()) for name, role in runtime.roles.items()}
    return msgspec.structs.replace(runtime, roles=roles)


def input_parts(inputs: Mapping[str, Input]) -> dict[str, str]:
    """Return the part of each input: by content, so that equal values have equal keys however they came."""
    return {f"input {name}": _input_digest(given) for name, given in sorted(inputs.items())}


def cache_key(fixed: Mapping[str, str], inputs: Mapping[str, str], occurrence: int) -> str:
    """Return the key of an instance.

    Args:
        fixed: The definition's parts.
        inputs: The inputs' parts.
        occurrence: How many instances of the run with equal parts came before: two calls with the same
            arguments are two executions, and may give different values.
    """
    return digest_bytes(_canonical([fixed, inputs, occurrence]))


def sameness(fixed: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    """Return the digest that executions have in common whose keys differ by their occurrence alone."""
    return digest_bytes(_canonical([fixed, inputs]))


class InstanceKeys:
    """The cache keys of a run's instances, each computed once.

    Args:
        spec: The run's spec.
        progress: Its state.
        resolver: Finds the instances' inputs.
        numbers: The occurrences that pods have claimed; see `fairlead.worker.occurrences.numbers_of`.
    """

    def __init__(
        self,
        spec: RunSpec,
        progress: Progress,
        resolver: Resolver,
        numbers: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        self._spec = spec
        self._progress = progress
        self._resolver = resolver
        self._keys: dict[tuple[str, int], str] = {}
        self._fixed: dict[str, dict[str, str]] = {}
        self._shared: dict[str, str] = {}  # the digest of each definition's parts, equal for equal parts
        self._occurrences: Counter[bytes] = Counter()
        self._numbers = numbers
        self._claimed = {(same, number) for (same, _), number in numbers.items()}
        self._before: list[Instance] | None = [
            each for each in progress.instances.values() if each.status == "succeeded"
        ]

    def forget(self) -> None:
        """Compute keys anew: what some of them are made from may have changed. The others keep their occurrences."""
        instances = (self._progress.instances.get(key) for key in self._keys)
        self._before = [each for each in instances if each is not None and each.status in ("succeeded", "running")]
        self._keys.clear()
        self._occurrences.clear()

    def of(self, instance: Instance) -> str:
        """Return the key of an instance whose inputs are known."""
        if self._before is not None:  # what has run before a resume keeps its occurrences
            before, self._before = self._before, None
            for each in before:
                self.of(each)
        known = self._keys.get(instance.key)
        if known is not None:
            return known
        definition, fixed = self.fixed(instance)
        inputs = input_parts(self._resolver.inputs(instance))
        if definition not in self._shared:
            self._shared[definition] = _digest(fixed)
        same = _canonical([self._shared[definition], inputs])
        key = cache_key(fixed, inputs, self._occurrence(instance, same, fixed, inputs))
        self._keys[instance.key] = key
        return key

    def _occurrence(self, instance: Instance, same: bytes, fixed: Mapping[str, str], inputs: Mapping[str, str]) -> int:
        """Return the number that an instance has among equal ones: its own, where a pod has claimed it, or the next."""
        number = self._occurrences[same]
        if self._numbers:
            digest = sameness(fixed, inputs)
            claimed = self._numbers.get((digest, f"{instance.name}.{instance.index}"))
            if claimed is not None:
                return claimed
            while (digest, number) in self._claimed:
                number += 1
        self._occurrences[same] = number + 1
        return number

    def fixed(self, instance: Instance) -> tuple[str, dict[str, str]]:
        """Return what names an instance's definition, and the parts that all its instances share."""
        node = self._progress.node_of(instance)
        if node is not None:
            name, source = node.step, self._spec.sources.get(node.step, {})
        else:
            assert instance.call is not None
            source = instance.call.source
            name = _digest([instance.step, source])
        if name not in self._fixed:
            self._fixed[name] = fixed_parts(instance.step, source, self._spec.python)
        return name, self._fixed[name]


def _input_digest(given: Input) -> str:
    match given:
        case Given(value):
            # As the value would be stored, so that a literal and an artifact of the same content agree.
            return digest_bytes(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
        case Stored(ref, path):
            return ref.digest if not path else _digest([ref.digest, list(path)], b"part")
        case ListInput(items):
            return _digest([_input_digest(item) for item in items], b"list")
        case DictInput(items):
            return _digest({key: _input_digest(item) for key, item in sorted(items.items())}, b"dict")


def _digest(value: Any, kind: bytes = b"") -> str:
    """Return a digest; of a `kind`, it is that of no JSON value, so no value that a step is given can have it."""
    return digest_bytes(kind, _canonical(value))


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
