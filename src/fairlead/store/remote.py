"""A store in a bucket: Amazon's S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

Endpoint, region, account and credentials come from the environment variables of each provider's own
tools (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ``AWS_CA_BUNDLE``, ``GOOGLE_APPLICATION_CREDENTIALS``,
``AZURE_STORAGE_ACCOUNT_NAME``, …) or from the machine's identity. An ``http`` endpoint also needs
``AWS_ALLOW_HTTP=true``.

Not for folders: see ``backends.py``. Follows the conditional requests of RFC 9110, section 13.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from fairlead.errors import StoreError, UsageError
from fairlead.store.backends import PAGE, Entry, check_key, check_prefix
from fairlead.store.opening import PATIENCE_S
from fairlead.store.refusals import explain, is_past_the_end

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

SILENCE_S = 60.0
"""The longest time that a request goes unanswered."""

PROBE = ".fairlead/exclusive-create"
"""The object whose second creation must be refused. It stays, so that later openings need one request."""

_PART = 8 << 20
_PARTS = 9_000  # S3 takes 10,000
_CONCURRENT_PARTS = 4


class Remote:
    """A store in a bucket, or in a prefix of one.

    Threads may share it. A forked child may not, because the threads of the client are not in it: there
    every method raises `StoreError` instead of waiting for ever.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``, or ``memory://``
            for a store that ends with the process.
        patience_s: For how long requests are repeated on server errors and lost connections, less than the five
            minutes after which a signature is too old, and how long one may go unanswered, up to a minute; a call on
            a silent server ends within about twice that.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.url = url.rstrip("/")
        self._store = _connect(url, patience_s)
        self._process = os.getpid()

    def refuse_without_exclusive_create(self) -> None:
        """Create one object twice; a store that accepts the second has no safe way to claim a run.

        Raises:
            StoreError: It accepted the second, or the store cannot be used at all.
        """
        if self.create(PROBE, b"") and self.create(PROBE, b""):
            raise StoreError(
                "this store cannot hold runs",
                where=f"store {self.url}",
                why="it created an object that existed: it ignores If-None-Match, so two drivers could claim one run",
                next="update the server to one with conditional writes (S3, MinIO, GCS, Azure), or use a folder",
            )

    def create(self, key: str, data: bytes) -> bool:
        """Write an object with the condition that there is none."""
        with self._translated("write", key):
            try:
                obstore.put(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write an object in one request, or in parts where it is large."""
        with self._translated("write", key):
            obstore.put(self._store, key, data, chunk_size=_PART, max_concurrency=_CONCURRENT_PARTS)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file, which is read in parts: a few of them are in memory at once."""
        with self._translated("write", key):
            part = max(_PART, path.stat().st_size // _PARTS)
            obstore.put(self._store, key, path, chunk_size=part, max_concurrency=_CONCURRENT_PARTS)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Read an object or a range of it, in one request."""
        with self._translated("read", key):
            if start == 0 and length is None:
                return bytes(obstore.get(self._store, key).bytes())
            # No request asks for no bytes: one is asked for and dropped, so that a missing object is still noticed.
            stop = None if length is None else start + max(length, 1)
            try:
                found = obstore.get(
                    self._store, key, options={"range": {"offset": start} if stop is None else (start, stop)}
                )
                return bytes(found.bytes())[:length]
            except BaseError as error:
                if not is_past_the_end(error):
                    raise
        return b""

    def list_after(self, prefix: str, after: str = "", limit: int = PAGE) -> list[Entry]:
        """Ask for keys above `after`: one request for each `PAGE` keys."""
        check_prefix(prefix, self.url)
        with self._translated("list", prefix):
            found = list(islice(self._stream(prefix, after, limit), limit))
        if any(one.key >= next.key for one, next in pairwise(found)):
            raise StoreError(
                "this store cannot hold runs",
                where=f"store {self.url}, listing of {prefix!r}",
                why="it lists objects out of the order of their keys, as directory buckets of S3 do",
                next="use a general purpose bucket",
            )
        return found

    def delete(self, key: str) -> None:
        """Remove an object; a store that says there was none is right, too."""
        with self._translated("delete", key):
            obstore.delete(self._store, key)

    def _stream(self, prefix: str, after: str, limit: int) -> Iterator[Entry]:
        # The client drops a last slash from `after`, and would begin a little too early.
        for page in obstore.list(self._store, prefix or None, offset=after or None, chunk_size=limit):
            for found in page:
                if found["path"] > after:
                    yield Entry(found["path"], found["size"], found["last_modified"].timestamp())

    @contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        if verb != "list":
            check_key(key, self.url)
        if os.getpid() != self._process:
            raise StoreError(
                f"cannot {verb} {key}",
                where=f"store {self.url}",
                why="this process was forked from the one that opened the store, whose threads it lacks",
                next="open the store in a process of its own",
            )
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            explained = explain(error, verb, key, self.url)
            if explained is None:
                return
            # Not chained: a client's error quotes the server's answer, which may quote what was signed.
            raise explained from None


def _connect(url: str, patience_s: float) -> ObjectStore:
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment or (not parts.netloc and parts.scheme != "memory"):
        raise UsageError(
            f"a remote store is named by a bucket and a prefix, such as {parts.scheme}://bucket/prefix",
            why="the URL names no bucket, or holds a user, a query or a fragment",
            next="give credentials in the provider's environment variables",
        )
    bucket, prefix = parts.netloc, parts.path.strip("/") or None
    retry: RetryConfig = {
        "max_retries": 100,  # the time bounds them
        "retry_timeout": timedelta(seconds=patience_s),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    try:
        match parts.scheme:
            case "s3":
                # Deletion in bulk is one request as well, and some servers lack it.
                config: Any = {"disable_bulk_delete": True}
                return S3Store(
                    bucket, prefix=prefix, config=config, client_options=_client("AWS", patience_s), retry_config=retry
                )
            case "gs":
                return GCSStore(bucket, prefix=prefix, client_options=_client("GOOGLE", patience_s), retry_config=retry)
            case "az":
                return AzureStore(
                    bucket, prefix=prefix, client_options=_client("AZURE", patience_s), retry_config=retry
                )
            case "memory":
                return MemoryStore()
    except (BaseError, ValueError) as error:
        raise explain(error, "open", "the store", url) or StoreError(f"cannot open {url}") from None
    raise UsageError(f"no remote store has the scheme {parts.scheme!r}", next="s3://, gs:// or az://")


def _client(provider: str, patience_s: float) -> ClientConfig:
    """Return timeouts, and what the environment says of the connection: given options replace the environment's."""
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=5),
        # The longest silence, and by a quirk of the client all the time to send one part: 4.5 Mbit/s for four.
        "read_timeout": timedelta(seconds=min(patience_s, SILENCE_S)),
        "timeout": timedelta(hours=1),  # one whole object, however large
        "allow_http": os.environ.get(f"{provider}_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on"),
    }
    if bundle := os.environ.get(f"{provider}_CA_BUNDLE"):
        try:
            options["root_certificate"] = Path(bundle).read_bytes()
        except OSError as error:
            raise UsageError(
                f"cannot read the certificates {bundle}", why=str(error.strerror), next=f"correct {provider}_CA_BUNDLE"
            ) from error
    return options
