"""Names and labels of what is created: functions of run, step and generation, so that a name is made once only."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Submission

PREFIX = "fairlead.dev/"
RUN = PREFIX + "run"
FLOW = PREFIX + "flow"
STEP = PREFIX + "step"
NODE = PREFIX + "node"
ITEM = PREFIX + "item"
CALL = PREFIX + "call"
GANG = PREFIX + "gang"
GENERATION = PREFIX + "generation"
OWNER = PREFIX + "owner"
ORDER = PREFIX + "order"
"""The annotation with the digest of the object as it was sent: who finds the name taken compares it."""

_NAME_MAX = 63


def run_name(submission: Submission) -> str:
    """Return the name of a run's object: ``digits-20261123-141256-k3f9x-1``."""
    suffix = f"-{submission.run}-{submission.generation}"
    return dns_label(submission.flow, _NAME_MAX - len(suffix)) + suffix


def dns_label(name: str, length: int = _NAME_MAX) -> str:
    """Return a name as a DNS label of at most `length` characters; different names stay different."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
    if plain == name and len(plain) <= length:
        return plain
    mark = digest_bytes(name.encode())[:5]
    return f"{plain[: length - 6].rstrip('-')}-{mark}"


def label_value(text: str) -> str:
    """Return a text as a label's value: what one can't hold becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:_NAME_MAX].strip("-_.")


def run_labels(submission: Submission) -> dict[str, str]:
    """Return the labels of everything that belongs to a run."""
    return {
        **submission.context.labels,
        **submission.labels,
        "app.kubernetes.io/managed-by": "fairlead",
        RUN: submission.run,
        FLOW: label_value(submission.flow),
        GENERATION: str(submission.generation),
        **({OWNER: label_value(submission.user)} if label_value(submission.user) else {}),
    }


def marked(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the digest of what it is."""
    digest = digest_bytes(msgspec.json.encode(manifest, order="deterministic"))
    metadata = {**manifest["metadata"], "annotations": {ORDER: digest}}
    return {**manifest, "metadata": metadata}
