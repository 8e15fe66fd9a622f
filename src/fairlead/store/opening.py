"""Opens a store from what a user or a setting calls it: a path or a URL."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fairlead.errors import MissingExtra, UsageError, nearest
from fairlead.store.backends import Backend, Folder

REMOTE_SCHEMES = ("s3", "gs", "az")
"""Amazon's S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage."""

PATIENCE_S = 60.0
"""How long one call goes on repeating a request that met an overloaded or absent server: as long as its restart."""


def open_backend(url: str, *, patience_s: float = PATIENCE_S) -> Backend:
    """Open a store, and make sure that a remote one has exclusive create.

    Args:
        url: A path, ``file:///path``, ``s3://bucket/prefix``, ``gs://bucket/prefix`` or
            ``az://container/prefix``; the rest (endpoint, credentials, account) comes from the
            environment variables that each provider's own tools read.
        patience_s: For how long a request to a remote store is repeated that is away or overloaded.

    Raises:
        UsageError: The URL names no store.
        MissingExtra: A remote store without the library that speaks to it.
        StoreError: A remote store cannot be reached, refuses, or has no exclusive create.
    """
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower() if colon else ""
    if scheme == "file" and rest.startswith("/"):
        return Folder(_local_path(url))
    if scheme in REMOTE_SCHEMES and rest.startswith("//"):
        return _open_remote(f"{scheme}:{rest}", patience_s)
    if not url or scheme in (*REMOTE_SCHEMES, "file") or rest.startswith("//"):
        raise UsageError(
            f"cannot open the store {_shown(url)!r}",
            why=f"its scheme is {scheme or 'missing'!r}: {nearest(scheme, ('file', *REMOTE_SCHEMES))}",
            next="give a path, file:///path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
        )
    return Folder(Path(url).expanduser().absolute())


def _local_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"cannot open the store {_shown(url)!r}",
            why="a file URL that names a host is not a path of this machine",
            next=f"file:///{parts.path.lstrip('/')} or the path itself",
        )
    return Path(unquote(parts.path))


def _open_remote(url: str, patience_s: float) -> Backend:
    if find_spec("obstore") is None:
        raise MissingExtra("obstore", "remote", f"the store {_shown(url)}")
    from fairlead.store.remote import Remote  # lazy: obstore, 20 ms

    backend = Remote(url, patience_s=patience_s)
    backend.refuse_without_exclusive_create()
    return backend


def _shown(url: str) -> str:
    """Return a URL without what may be a secret: a user and password, a query."""
    scheme, slashes, rest = url.partition("//")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}" if slashes else url
