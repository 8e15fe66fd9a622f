"""The words for how a step or a run is doing."""

from __future__ import annotations

from typing import Literal

StepStatus = Literal[
    "pending",
    "queued",
    "waiting-quota",
    "waiting-placement",
    "waiting-image",
    "waiting-volume",
    "starting",
    "running",
    "suspended",
    "succeeded",
    "failed",
    "cancelled",
    "skipped",
    "blocked",
    "lost",
]
RunStatus = Literal["pending", "running", "succeeded", "failed", "cancelled", "lost"]
AttemptStatus = Literal["running", "succeeded", "failed", "cancelled", "lost"]

ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "skipped", "blocked"})
"""A step or run of such a status does not change any more, unless somebody resumes it."""

SPENT = 87
"""The exit code of a pod whose step may have no further attempt; a workflow's retry condition refuses it.

Programs use small numbers, and the system those above 125.
"""
