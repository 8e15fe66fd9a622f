"""Claims: who drives a run. A claim is a numbered record made with exclusive create.

The highest number holds the run, and every record a driver writes carries its number, so that one that was
thought dead and comes back is told apart. On the same machine a dead driver is known at once by its process;
from another machine by its heartbeat, which must have stood still for a while.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

from fairlead.errors import ClaimedError, NotFoundError, StoreError
from fairlead.naming import iso_time
from fairlead.store.backends import Backend, Entry, list_all
from fairlead.store.clocks import store_time
from fairlead.store.layout import run_prefix
from fairlead.store.records import Claim, Handover, decode, encode

BEAT_S = 10.0
"""Seconds between two heartbeats."""
SILENCE_S = 35.0
"""Seconds without a heartbeat after which a driver on another machine is held for dead: three beats and slack."""


def take_claim(backend: Backend, run: str, *, now: float) -> Claim:
    """Claim a run for this process.

    Raises:
        ClaimedError: A living driver holds it.
    """
    newest = newest_claim(backend, run)
    if newest is not None and holder_lives(backend, run, newest):
        raise _refusal(backend, run, newest)
    number = 1 if newest is None else newest.number + 1
    claim = new_claim(number, now=now)
    if not backend.create(_claim_key(run, number), encode(claim)):
        raise ClaimedError(f"run {run} was claimed by another process just now", next=f"fairlead get {run}")
    return claim


def _refusal(backend: Backend, run: str, claim: Claim) -> ClaimedError:
    """Say who drives a run, and how one can follow or stop it from there."""
    since, why = iso_time(claim.time), "two drivers would run its steps twice"
    handover = handed_over(backend, run, claim)
    if handover is None:
        return ClaimedError(
            f"run {run} is driven by another process",
            where=f"process {claim.pid} on {claim.host}, since {since}",
            why=why,
            next=f"follow it: fairlead logs {run} -f   or stop it: fairlead cancel {run}",
        )
    on = f"--on {handover.context}"
    return ClaimedError(
        f"run {run} is under way on a cluster",
        where=f"context {handover.context}, namespace {handover.namespace}, {handover.name}, since {since}",
        why=why,
        next=f"stop it first: fairlead cancel {run} {on}   where that cluster is gone for good: with --abandon",
    )


def new_claim(number: int, *, now: float) -> Claim:
    """Make a claim of this process."""
    return Claim(
        number=number,
        host=host_name(),
        boot=boot_id(),
        pid=os.getpid(),
        process_started=process_started(os.getpid()) or "",
        time=now,
    )


def newest_claim(backend: Backend, run: str) -> Claim | None:
    """Return the claim that holds a run, or the last one that did."""
    entries = list_all(backend, run_prefix(run) + "claims/")
    keys = [entry.key for entry in entries if _is_claim(entry.key)]
    if not keys:
        return None
    try:
        return decode(backend.get(keys[-1]), Claim, key=keys[-1])
    except NotFoundError:  # removed with its run, between the listing and now
        return None


def holder_lives(backend: Backend, run: str, claim: Claim) -> bool:
    """Say whether the process that made a claim is alive, and has not given the run back."""
    if (backend.url, run, claim) in _given_back:
        return False
    beats = _signs(backend, run, claim)
    if any(entry.key.endswith(".end") for entry in beats):
        return False
    if any(entry.key.endswith(".cluster") for entry in beats):  # what runs there ends the claim itself
        return True
    return maker_lives(backend, claim, max((entry.modified for entry in beats), default=claim.time))


def has_ended(backend: Backend, run: str, claim: Claim) -> bool:
    """Say whether a claim was given back."""
    return any(entry.key.endswith(".end") for entry in _signs(backend, run, claim))


def maker_lives(backend: Backend, claim: Claim, latest: float) -> bool:
    """Say whether the process that made a claim is alive.

    Args:
        backend: The store.
        claim: The claim.
        latest: When it gave its last sign of life, by the clock of the store: what counts where it is elsewhere.
    """
    if claim.host == host_name():
        return claim.boot == boot_id() and process_started(claim.pid) == claim.process_started
    return store_time(backend) - latest < SILENCE_S


def beat(backend: Backend, run: str, claim: Claim) -> None:
    """Renew a claim's heartbeat."""
    backend.put(_claim_key(run, claim.number) + ".beat", b"")


def hand_over(backend: Backend, run: str, claim: Claim, handover: Handover) -> None:
    """Leave a run to the cluster it was submitted to: the claim holds until `release`, whatever its process does."""
    backend.put(_claim_key(run, claim.number) + ".cluster", encode(handover))


def handed_over(backend: Backend, run: str, claim: Claim) -> Handover | None:
    """Return where a run was left to, or None where its claim's own process drives it."""
    key = _claim_key(run, claim.number) + ".cluster"
    try:
        return decode(backend.get(key), Handover, key=key)
    except NotFoundError:
        return None


_given_back: set[tuple[str, str, Claim]] = set()
"""What this process has given back and the store could not take, being full or read-only: store, run and claim."""


def release(backend: Backend, run: str, claim: Claim) -> None:
    """Give a run back."""
    try:
        backend.put(_claim_key(run, claim.number) + ".end", b"")
    except StoreError:
        _given_back.add((backend.url, run, claim))
        raise


def is_fenced(backend: Backend, run: str, claim: Claim) -> bool:
    """Say whether a later claim has taken the run away."""
    later = backend.list_after(run_prefix(run) + "claims/", _claim_key(run, claim.number) + ".end")
    return any(_is_claim(entry.key) for entry in later)


def _signs(backend: Backend, run: str, claim: Claim) -> list[Entry]:
    own = _claim_key(run, claim.number)
    return [entry for entry in list_all(backend, run_prefix(run) + "claims/") if entry.key.startswith(own)]


def _is_claim(key: str) -> bool:
    return not key.endswith((".beat", ".cluster", ".end"))


def _claim_key(run: str, number: int) -> str:
    return f"{run_prefix(run)}claims/{number:06}"


@cache
def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def pod_uid() -> str:
    """Return the uid of the pod that this process is in; empty where it is in none of a run."""
    return os.environ.get("FAIRLEAD_POD_UID", "")


def user_name() -> str:
    """Return the name of the user this process runs as, or the number where there is none."""
    import getpass  # lazy: getpass, 2 ms; where something is asked or begun

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


@cache
def boot_id() -> str:
    """Return what tells this start of the machine from others, or nothing where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def process_started(pid: int) -> str | None:
    """Return when a process began, in the system's own words, or None where there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    import subprocess  # lazy: subprocess, 8 ms; on systems without /proc

    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
