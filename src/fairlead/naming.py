"""Names and identities: run ids, step names, digests and times."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from typing import BinaryIO, NewType

UTC = timezone.utc
RunId = NewType("RunId", str)
Digest = NewType("Digest", str)

# No vowels, no look-alikes: an id is read aloud, and never spells a word.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{5}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][-A-Za-z0-9_]*", re.ASCII)
_RANDOM = 5
_PART_BYTES = 1 << 20
_COMPLEMENT = str.maketrans("0123456789", "9876543210")

NAME_LENGTH_MAX = 63
"""The longest name of a step or flow: the limit of a Kubernetes label value and a DNS label."""


def new_run_id(now: datetime) -> RunId:
    """Make a run id that sorts by time and can be read: ``20261123-141256-k3f9x``."""
    return _run_id(now, os.urandom(_RANDOM))


def run_id_of(moment: datetime, origin: str) -> RunId:
    """Return the id of the run that one origin makes at one moment: the same one, whenever it is asked for."""
    return _run_id(moment, bytes.fromhex(digest_bytes(origin.encode()))[:_RANDOM])


def _run_id(moment: datetime, random: bytes) -> RunId:
    suffix = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random)
    return RunId(f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}-{suffix}")


def is_run_id(text: str) -> bool:
    """Say whether a text has the form of a run id."""
    return _RUN_ID.fullmatch(text) is not None


def newest_first(stamp: str) -> str:
    """Return a key that sorts in the reverse order of the digits of `stamp`."""
    return stamp.translate(_COMPLEMENT)


def name_fault(name: str) -> str | None:
    """Say why a text can't name a step or flow, or None where it can."""
    if len(name) > NAME_LENGTH_MAX:
        return f"a name has at most {NAME_LENGTH_MAX} characters, {name!r} has {len(name)}"
    if not _NAME.fullmatch(name):
        return f"a name is letters, digits, '_' and '-', and begins with a letter or '_': got {name!r}"
    return None


def digest_bytes(*parts: bytes) -> Digest:
    """Return the SHA-256 of the parts, hexadecimal, as `sha256sum` prints it."""
    import hashlib  # lazy: hashlib, 3 ms; tracing needs no digests

    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return Digest(state.hexdigest())


def digest_file(file: BinaryIO) -> Digest:
    """Return the SHA-256 of what is left to read of a file, as `digest_bytes` does."""
    import hashlib  # lazy: hashlib, 3 ms; tracing needs no digests

    state = hashlib.sha256()
    while part := file.read(_PART_BYTES):
        state.update(part)
    return Digest(state.hexdigest())


def format_time(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds: ``2026-11-23T14:12:56.123Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time, as `format_time` and Kubernetes write it.

    Raises:
        ValueError: It is none.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # whose own Z is of Python 3.11


def iso_time(seconds: float) -> str:
    """Write seconds since 1970 as `format_time` does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """Return the present moment, with its zone."""
    return datetime.now(UTC)
