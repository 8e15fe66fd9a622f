"""The words for what ends a pod from outside, or keeps it from beginning: types of errors of attempts on a cluster."""

from __future__ import annotations

CAUSES: dict[str, bool] = {
    "Unschedulable": False,
    "Memory": False,
    "Preempted": True,
    "Evicted": True,
    "NodeLost": True,
    "Rejected": True,
    "Image": True,
    "Init": True,
    "Config": False,
    "Deleted": True,
    "Placement": True,
    "Exit": True,
}
"""Each cause, and whether the infrastructure is to blame rather than the step. The most telling comes first: of several
sightings of one pod it is the one that counts."""

UNKNOWN = ("Lost", "Evicted")
"""The types of errors that say that an attempt was ended from outside, and not by what."""
