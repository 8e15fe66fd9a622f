"""Pinned requirements: what a lock says, in a form in which order, comments and layout do not count.

Nothing is resolved here, and no index is asked. A lock is a requirements file of pip's in which every line is one
package in one version: what pip-compile and ``uv pip compile`` write.

Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.naming import Digest, digest_bytes

LOCK = "lock"
"""The format of a lock as a stored value: its text."""
HOW = "uv pip compile --generate-hashes -o requirements.txt FILE, and lock='requirements.txt'"
"""How a lock is made."""

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"--hash[= ]\s*([a-z0-9]+:[0-9a-fA-F]+)", re.ASCII)
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?"
    r"\s*(?P<pin>===?)\s*(?P<version>[A-Za-z0-9.!+_-]+)\s*(?:;\s*(?P<marker>\S.*))?",
    re.ASCII,
)
_WHEELS = re.compile(r"(--no-binary|--only-binary)[= ]\s*(\S+)", re.ASCII)
_PLACES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host")
_FILES = ("-r", "--requirement", "-c", "--constraint")


class Requirements(NamedTuple):
    """What some lines require.

    Attributes:
        lines: Each requirement and option once, in one spelling and in order.
        hashed: Whether every package has the hashes of its files.
        faults: What keeps the lines from being a lock: the number of a line, from 0, and why.
    """

    lines: tuple[str, ...]
    hashed: bool
    faults: tuple[tuple[int, str], ...]

    @property
    def text(self) -> bytes:
        """The lock as one file."""
        return "".join(f"{line}\n" for line in self.lines).encode()

    @property
    def digest(self) -> Digest:
        """What names the lock: equal for equal requirements, however they are written."""
        return digest_bytes(self.text)

    @property
    def builds(self) -> bool:
        """Whether it says itself what may be built from source; else nothing may."""
        return any(line.startswith("--") for line in self.lines)


def read_requirements(lines: Iterable[str]) -> Requirements:
    """Read the lines of a requirements file, or requirements that are written one by one."""
    found: dict[str, None] = {}
    faults: list[tuple[int, str]] = []
    hashed: dict[bool, int] = {}
    for number, statement in _statements(lines):
        option = _WHEELS.fullmatch(statement)
        if option:
            found[f"{option[1]}={option[2]}"] = None
            continue
        hashes = sorted({each.lower() for each in _HASH.findall(statement)})
        pinned = _PINNED.fullmatch(_HASH.sub("", statement).strip())
        if pinned is None:
            faults.append((number, _why(statement)))
            continue
        hashed.setdefault(bool(hashes), number)
        found[" ".join([_spelled(pinned), *(f"--hash={each}" for each in hashes)])] = None
    if len(hashed) > 1:
        faults.append((hashed[False], "has no --hash, which others have: all have one, or none"))
    return Requirements(tuple(sorted(found)), hashed=set(hashed) == {True}, faults=tuple(faults))


def _statements(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield what lines say, joined where one goes on in the next, with the number of the first."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(lines):
        said = _COMMENT.sub("", line).strip()
        begun = begun if parts else number
        parts.append(said.removesuffix("\\").strip())
        if not said.endswith("\\"):
            if statement := " ".join(filter(None, parts)):
                yield begun, statement
            parts = []
    if statement := " ".join(filter(None, parts)):
        yield begun, statement


def _spelled(pinned: re.Match[str]) -> str:
    name = re.sub(r"[-_.]+", "-", pinned["name"]).lower()
    extras = sorted(
        {re.sub(r"[-_.]+", "-", each.strip()).lower() for each in (pinned["extras"] or "").split(",")} - {""}
    )
    marker = " ".join(pinned["marker"].split()) if pinned["marker"] else ""
    chosen = f"[{','.join(extras)}]" if extras else ""
    return f"{name}{chosen}{pinned['pin']}{pinned['version']}{f' ; {marker}' if marker else ''}"


def _why(statement: str) -> str:
    word = re.split(r"[= ]", statement, maxsplit=1)[0]
    if word in _PLACES:
        return (
            f"{word} says where packages come from: that is the context's, fairlead context add … --pip-secret SECRET"
        )
    if word in _FILES:
        return f"{word} names another file; a lock is one file, with all packages"
    if statement.startswith("-"):
        return f"{word} can't stand in a lock"
    return f"{statement!r} is not pinned: write NAME==VERSION, or make a lock: {HOW}"
