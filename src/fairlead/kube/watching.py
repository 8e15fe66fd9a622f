"""One list and one watch of a kind, kept alive through every fault: what is held afterwards is what the cluster holds.

A watch goes on from the last resource version it was told, in an event or a bookmark. Only where the server no
longer has that version is everything listed again.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.decoding import decode_json
from fairlead.errors import ClusterError, GaveUp
from fairlead.kube.api import Patience
from fairlead.kube.client import PAGE, Client, Labels, metadata_type, selector
from fairlead.kube.failures import (
    ApiError,
    CredentialsError,
    Expired,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    call_of,
    refusal,
)
from fairlead.kube.mirror import Event, Head, Key, Mirror
from fairlead.kube.resources import Kind
from fairlead.kube.transport import Stream

Listener = Callable[[Event], None]

_LASTING = (Unauthorized, Forbidden, NotFound, CredentialsError)

_PAUSES = Patience(first_s=0.5, longest_s=30.0)
_FRUITLESS = 3
"""After how many server errors in a row everything is listed again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watch lasts, and how long it pauses after failures.

    Args:
        stream_s: After how many seconds the server shall end a stream, so that none lives on unnoticed. Streams end
            after three quarters of it at the earliest, each at another time.
        grace_s: How much longer a stream may be silent before its connection counts as dead.
        patience: The pauses after failures in a row.
        longest_asked_s: The longest pause that a server may ask for.
    """

    stream_s: float = 300.0
    grace_s: float = 15.0
    patience: Patience = _PAUSES
    longest_asked_s: float = 120.0


PACE = Pace()


class Watch:
    """The objects of a kind in a namespace, in a thread of its own. Threads may read it.

    Args:
        client: The cluster.
        kind: The kind.
        namespace: None for the connection's, `EVERYWHERE` for all.
        labels: A label selector, or labels with the values that they must have.
        fields: A field selector.
        metadata_only: Leave out everything but the metadata.
        shape: What objects are decoded to: a type of `msgspec`; one that names only some fields costs less.
        project: Makes what is kept of each decoded object, so that memory stays small; None to keep all of it.
        pace: How long streams last, and pauses.
        chance: Returns numbers from 0 to 1, which spread the streams and pauses of many watches.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        *,
        namespace: str | None = None,
        labels: Labels = "",
        fields: str = "",
        metadata_only: bool = False,
        shape: Any = dict[str, Any],
        project: Callable[[Any], Any] | None = None,
        pace: Pace = PACE,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self.failure: ClusterError | None = None
        """The last failure; None while all is well."""
        self.relists = 0
        """How often everything has been listed again."""
        self._client = client.hurried(self._opened)
        self._path = kind.path(client.connection.namespace if namespace is None else namespace)
        self._selection: dict[str, Any] = {"labels": selector(labels), "fields": fields, "metadata_only": metadata_only}
        self._pace, self._chance, self._clock = pace, chance, clock
        self._mirror = Mirror(shape, project, kind)
        self._listeners: list[Listener] = []
        self._telling = threading.RLock()
        self._news = threading.Condition()
        self._synced = False
        self._closed = threading.Event()
        self._stream: Stream | None = None
        self._version = ""
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"watch {self._path}", daemon=True)

    def start(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    @property
    def is_synced(self) -> bool:
        """Everything has been listed once."""
        return self._synced

    @property
    def is_running(self) -> bool:
        """The thread lives: it was started, and neither closed nor ended by a listener that raised."""
        return self._thread.is_alive()

    def wait_synced(self, timeout_s: float) -> None:
        """Wait until everything has been listed once.

        Raises:
            Unauthorized, Forbidden, NotFound, CredentialsError: It can't be listed; the watch goes on trying.
            GaveUp: It took longer than `timeout_s`.
        """
        with self._news:
            self._news.wait_for(lambda: self._synced or isinstance(self.failure, _LASTING), timeout_s)
            failure = self.failure
        if self._synced:
            return
        if isinstance(failure, _LASTING):
            raise failure
        raise GaveUp(
            f"the cluster did not list {self.kind} within {timeout_s:g} s",
            where=self._where,
            why=failure.why if failure else "",
        )

    def get(self, name: str, namespace: str = "") -> Any | None:
        """Return what is kept of an object; None where there is none."""
        return self._mirror.get(namespace, name)

    def objects(self) -> dict[Key, Any]:
        """Return what is kept of all objects, by namespace and name."""
        return self._mirror.objects()

    def versions(self) -> dict[Key, str]:
        """Return the resource version of every object."""
        return self._mirror.versions()

    def __len__(self) -> int:
        return len(self._mirror)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function for every event, in order: first for the objects that there are, as if they had just come.

        It is called in the thread of the watch, which waits for it, and at first in this one. If it raises, the watch
        ends.

        Returns:
            A function that ends it.
        """
        with self._telling:
            for each in self._mirror.objects().values():
                listener(Event("ADDED", each, None))
            self._listeners.append(listener)
        return lambda: self._unlisten(listener)

    def _unlisten(self, listener: Listener) -> None:
        with self._telling:
            self._listeners.remove(listener)

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread; what is held stays readable.

        A thread that waits for the head of an answer, or for a connection, ends when that comes or times out.

        Args:
            timeout_s: How long to wait for the thread.
        """
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.close()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, stream: Stream) -> None:
        self._stream = stream
        if self._closed.is_set():
            stream.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                if not self._version:
                    self._list()
                self._follow()
            except ClusterError as failure:
                if not self._closed.is_set():
                    self._closed.wait(self._failed(failure))

    def _list(self) -> None:
        try:
            self._load(PAGE)
        except Expired:  # on the way from page to page: all at once needs no token
            self._load(0)

    def _load(self, limit: int) -> None:
        version = ""

        def pages() -> Iterator[list[msgspec.Raw]]:
            nonlocal version
            for page in self._client.pages(self._path, **self._selection, limit=limit):
                yield page.items or []
                version = page.metadata.resourceVersion

        with self._reading():
            draft = self._mirror.draft(pages())
        with self._telling:
            self._tell(self._mirror.replace(draft))
        self._version = version
        self.relists += self._synced
        with self._news:
            self._synced, self.failure = True, None
            self._news.notify_all()

    def _follow(self) -> None:
        """Follow one stream to its end.

        Raises:
            ClusterError: It broke, told of an error, or ended at once without a word.
        """
        timeout_s = max(1, int(self._pace.stream_s * (0.75 + self._chance() / 4)))
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": timeout_s,
            "labelSelector": self._selection["labels"],
            "fieldSelector": self._selection["fields"],
        }
        accept = metadata_type("PartialObjectMetadata") if self._selection["metadata_only"] else ""
        began, words = self._clock(), 0
        with self._client.stream(self._path, query, accept=accept, silent_s=timeout_s + self._pace.grace_s) as stream:
            self.failure = None
            for line in stream.lines():
                self._take(line)
                words += 1
        if not words and self._clock() - began < 1:
            raise Unreachable(self._where, "a watch ended as soon as it had begun", was_sent=True)
        self._failures = 0

    def _take(self, line: bytes) -> None:
        """Take one line of a stream."""
        with self._reading():
            told = decode_json(line, _Line)
            if told.type == "ERROR":
                raise refusal(call_of("GET", self._path, {"watch": True}), self._where, 0, told.object)
            head = decode_json(told.object, Head).metadata
        if told.type != "BOOKMARK":
            with self._telling:
                with self._reading():
                    events = self._mirror.apply(told.type, told.object, head)
                self._tell(events)
        self._version = head.resource_version or self._version
        self._failures = 0

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Take what can't be decoded, or not to the shape that is wanted, as a failure of the watch."""
        try:
            yield
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            why = f"what it tells of {self.kind} can't be read: {error}"
            raise Unreachable(self._where, why, was_sent=True) from None

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            for listener in tuple(self._listeners):
                listener(event)

    def _failed(self, failure: ClusterError) -> float:
        """Note a failure, choose between going on and listing again, and return how long to pause."""
        self._failures += 1
        if isinstance(failure, ApiError) and _is_of_the_version(failure, self._failures):
            self._version = ""
        with self._news:
            self.failure = failure
            self._news.notify_all()
        asked_s = failure.retry_after_s if isinstance(failure, ApiError | Unreachable) else 0.0
        pause_s = self._pace.patience.pause_s(self._failures, self._chance())
        return max(pause_s, min(asked_s, self._pace.longest_asked_s))

    @property
    def _where(self) -> str:
        return self._client.connection.where


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


def _is_of_the_version(failure: ApiError, failures: int) -> bool:
    """Say whether the server may be refusing the resource version: then only a new list helps.

    A version from before the cluster was restored from a backup is refused as a timeout, each time.
    """
    if isinstance(failure, Unauthorized | Forbidden | TooManyRequests):
        return False
    return failure.code < 500 or failures % _FRUITLESS == 0
