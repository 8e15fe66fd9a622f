"""Turns what a database raises into the store's errors, with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fairlead.errors import DamagedError, FairleadError, StoreError
from fairlead.store.index.addresses import Address

_DAMAGED = ("not a database", "malformed", "database corruption", "no such table", "no such column")
_SQLITE = (
    ("unable to open", "the file can't be opened", "check the path, and the owner and mode of the file and its folder"),
    ("readonly", "the file is read-only", "check the owner and mode of the file and its folder"),
    ("is full", "the disk is full", "free some space"),
    ("locked", "another process has been writing to it for long", "repeat; see who: fuser -v PATH"),
    ("disk i/o", "the disk failed, or the file was removed meanwhile", "repeat; if it stays: fairlead store rebuild"),
)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raise a `StoreError` or a `DamagedError` in place of any error of the database."""
    try:
        yield
    except SQLAlchemyError as error:
        text = _first_line(error)
        found = _of_sqlite(address, text) if address.kind == "sqlite" else _of_postgres(address, text)
        # The chain shows the client's text: not where it quotes a password.
        hidden = any(secret in str(error) for secret in address.secrets)
        raise found from (None if hidden else error)


def damaged(address: Address, why: str) -> DamagedError:
    """Return the error for a database that is not what was written."""
    return DamagedError(
        "the index of runs is damaged",
        where=address.shown,
        why=f"{why}; it is only an index: the runs are in the store, complete",
        next="fairlead store rebuild",
    )


def newer(address: Address, version: str, known: str) -> DamagedError:
    """Return the error for a database that a newer Fairlead has upgraded."""
    return DamagedError(
        "cannot read the index of runs",
        where=address.shown,
        why=f"a newer Fairlead has upgraded it (index version {version}, this one reads up to {known})",
        next="pip install --upgrade fairlead   or use another one: FAIRLEAD_INDEX=sqlite:///PATH",
    )


def foreign(address: Address) -> StoreError:
    """Return the error for a database that holds another program's tables."""
    return StoreError(
        "cannot use the index of runs",
        where=address.shown,
        why="the database holds tables, but not those of an index: it is another program's",
        next="choose another one: FAIRLEAD_INDEX=sqlite:///PATH",
    )


def _of_sqlite(address: Address, text: str) -> FairleadError:
    lowered = text.lower()
    if any(word in lowered for word in _DAMAGED):
        return damaged(address, text)
    for word, why, then in _SQLITE:
        if word in lowered:
            then = then.replace("PATH", address.shown)
            return StoreError("cannot use the index of runs", where=address.shown, why=f"{why}   [{text}]", next=then)
    return StoreError("cannot use the index of runs", where=address.shown, why=text, next="fairlead store rebuild")


def _of_postgres(address: Address, text: str) -> FairleadError:
    for secret in address.secrets:
        text = text.replace(secret, "***")
    lowered = text.lower()
    if "does not exist" in lowered and "relation" in lowered:
        return damaged(address, text)
    then = "check that the server runs and what FAIRLEAD_INDEX names; without it the index is a file of this machine"
    if "authentication" in lowered or "password" in lowered:
        then = "check the user and password in FAIRLEAD_INDEX, or in ~/.pgpass"
    elif "permission denied" in lowered:
        then = "let the user create a schema: GRANT CREATE ON DATABASE … TO …"
    return StoreError("cannot use the index of runs", where=address.shown, why=text, next=then)


def _first_line(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
