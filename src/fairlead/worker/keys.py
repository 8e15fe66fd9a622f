"""Cache keys: what decides that a step would return the same again.

The parts are kept apart by name, so that it can be said which of them differs. Where a step runs is no part:
the same step has the same key on a laptop and on a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.naming import digest_bytes
from fairlead.specs.runtimes import Single
from fairlead.specs.steps import ContainerStep, Step, SweepStep
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
    if environment.variables:
        parts["variables"] = _digest(dict(sorted(environment.variables.items())))
    if not isinstance(step.runtime, Single):
        parts["runtime"] = _digest(step.runtime)
    if isinstance(step, SweepStep):
        parts["sweep"] = _digest(msgspec.structs.replace(step, name="sweep", parallel=1, trial=""))
    if isinstance(step, ContainerStep):
        parts["command"] = _digest([step.image, *step.command])
    if step.cache == "exact":
        parts["hardware"] = _digest([environment.image, step.resources.gpus])
    return parts


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


def _input_digest(given: Input) -> str:
    match given:
        case Given(value):
            # As the value would be stored, so that a literal and an artifact of the same content agree.
            return digest_bytes(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
        case Stored(ref, path):
            return ref.digest if not path else _digest([ref.digest, list(path)])
        case ListInput(items):
            return _digest([_input_digest(item) for item in items])
        case DictInput(items):
            return _digest({key: _input_digest(item) for key, item in sorted(items.items())})


def _digest(value: Any) -> str:
    return digest_bytes(_canonical(value))


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
