"""Which database holds the index: a URL read, checked, and shown without its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from fairlead.errors import UsageError, nearest

_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
_SECRETS = ("password", "sslpassword", "passfile")


class Address(NamedTuple):
    """Where the index is.

    Attributes:
        kind: The database.
        url: The URL as SQLAlchemy reads it; it may hold a password.
        shown: The URL or path for messages, without a password.
        path: The file of a SQLite database.
        secrets: What must not appear in a message.
    """

    kind: Literal["sqlite", "postgresql"]
    url: str
    shown: str
    path: Path | None = None
    secrets: tuple[str, ...] = ()


def read_address(url: str | None, home: Path) -> Address:
    """Read the URL of an index.

    Args:
        url: ``sqlite:///PATH`` (``sqlite:////PATH`` where the path is absolute), ``postgresql://…``, or None.
        home: The folder that holds ``index.sqlite`` where no URL is given.

    Raises:
        UsageError: The URL names no database that an index can lie in.
    """
    if url is None:
        return _file(home / "index.sqlite")
    scheme, colon, rest = url.partition(":")
    if colon and scheme.lower() in _POSTGRES and rest.startswith("//"):
        return _server("postgresql+psycopg:" + rest)
    if colon and scheme.lower() == "sqlite" and rest.startswith("///") and rest.strip("/") not in ("", ":memory:"):
        return _file(Path(rest[3:]).expanduser().absolute())
    raise UsageError(
        f"cannot open the index {_without_secrets(url)!r}",
        why=f"its scheme is {scheme if colon else 'missing'!r}: {nearest(scheme, ('sqlite', 'postgresql'))}"
        if scheme.lower() != "sqlite"
        else "it names no file",
        next="set FAIRLEAD_INDEX to sqlite:///PATH or postgresql://USER@HOST/DATABASE",
    )


def _file(path: Path) -> Address:
    return Address("sqlite", f"sqlite:///{path}", str(path), path)


def _server(url: str) -> Address:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            "cannot read the URL of the index",
            why=f"{error}",
            next="set FAIRLEAD_INDEX to postgresql://USER@HOST/DATABASE, special characters as %XX",
        ) from None  # its text may quote the password
    written = [parts.password, *(value for name, value in parse_qsl(parts.query) if name in _SECRETS)]
    secrets = {form for each in written if each for form in (each, unquote(each))}
    return Address("postgresql", url, _without_secrets(url), None, tuple(sorted(secrets, key=len, reverse=True)))


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url.replace("+psycopg", "", 1))
    except ValueError:
        return url.partition(":")[0] + "://…"
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in _SECRETS], safe="/")
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=query))
