"""Requests to one API server: what may be repeated is, with growing pauses and for a bounded time.

Everything else is raised as one of the classes of `failures`. What the kinds of objects have in common is in `client`.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fairlead.decoding import decoder
from fairlead.errors import ClusterError
from fairlead.kube.connection import Connection
from fairlead.kube.failures import (
    ApiError,
    Call,
    TooManyRequests,
    Unauthorized,
    UnclearOutcome,
    Unreachable,
    call_of,
    refusal,
)
from fairlead.kube.garbage import collection_paused
from fairlead.kube.transport import READ_S, Stream, Transport

if TYPE_CHECKING:
    from typing_extensions import Self  # of Python 3.11; only annotations name it

_REPEATABLE = ("GET", "PUT", "DELETE")
_JSON = "application/json"
_ENCODING = "gzip"  # a list shrinks to a twentieth of its size, at no more CPU time here than the TLS that it saves


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a request is repeated.

    Args:
        attempts: How often it is sent at most.
        first_s: The longest first pause, in seconds; each next may be twice as long.
        longest_s: The longest pause.
        longest_asked_s: The longest pause that a server may ask for; where it asks for more, the caller is told.
    """

    attempts: int = 5
    first_s: float = 0.2
    longest_s: float = 5.0
    longest_asked_s: float = 30.0

    def pause_s(self, attempt: int, chance: float) -> float:
        """Return the pause after an attempt, the first being 1: between half and all of what it may be."""
        return min(self.longest_s, self.first_s * 2.0 ** (attempt - 1)) * (0.5 + chance / 2)


ONCE = Patience(attempts=1)


def _ignored(_: Stream) -> None:
    pass


class _Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes | None = None
    silent_s: float = READ_S

    @property
    def call(self) -> Call:
        """What it asks, in the words of RBAC."""
        return call_of(self.method, self.path, self.query)


class Api:
    """Sends requests to one API server. Threads share it.

    Args:
        connection: The server, and who is asking.
        patience: How often and how long requests are repeated.
        sleep: Waits some seconds.
        chance: Returns numbers from 0 to 1, which spread the pauses of many clients.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        patience: Patience = Patience(),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.connection = connection
        self._transport = Transport(connection)
        self._patience, self._sleep, self._chance = patience, sleep, chance
        self._opened: Callable[[Stream], None] = _ignored

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        accept: str = "",
        repeat: bool | None = None,
    ) -> dict[str, Any]:
        """Send a request and decode its answer.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: As in the API.
            query: Parameters; an empty text or None is left out.
            body: What is sent, not yet encoded.
            content_type: The type of the body.
            accept: Which form of the answer is wanted; empty for plain JSON.
            repeat: It does no harm when it happens twice. By default so for GET, PUT and DELETE.

        Raises:
            UnclearOutcome: It may not be repeated, and no clear answer came.
            ClusterError: Every other failure, as its own class of `failures`.
        """
        headers = {"Accept": accept or _JSON, "Accept-Encoding": _ENCODING}
        if body is not None:
            headers["Content-Type"] = content_type
        encoded = None if body is None else msgspec.json.encode(body)
        may_repeat = method in _REPEATABLE if repeat is None else repeat
        asked = _Asked(method, path, query or {}, headers, encoded)
        found: dict[str, Any] = self._answer(asked, dict[str, Any], may_repeat=may_repeat)
        return found

    def read(self, path: str, query: Mapping[str, Any], *, shape: Any, accept: str = "") -> Any:
        """Send a GET and decode its answer to a type of `msgspec`."""
        headers = {"Accept": accept or _JSON, "Accept-Encoding": _ENCODING}
        return self._answer(_Asked("GET", path, query, headers), shape, may_repeat=True)

    def stream(
        self, path: str, query: Mapping[str, Any] | None = None, *, accept: str = "", silent_s: float = READ_S
    ) -> Stream:
        """Send a GET once and return its answer while it comes; to be used in a ``with``.

        Fresh credentials are tried where the first are refused; nothing else is repeated.

        Args:
            path: As in the API.
            query: Parameters.
            accept: Which form of the answer is wanted.
            silent_s: For how many seconds the server may be silent.
        """
        asked = _Asked("GET", path, query or {}, {"Accept": accept or _JSON}, silent_s=silent_s)
        try:
            return self._send(asked)
        except Unauthorized:
            if not self.connection.credentials.renew():
                raise
            return self._send(asked)

    def hurried(self, opened: Callable[[Stream], None] = _ignored) -> Self:
        """Return a client on the same connections that repeats nothing.

        Args:
            opened: Called with every answer when its head has come, so that another thread can close it.
        """
        other = copy.copy(self)
        other._patience, other._opened = ONCE, opened
        return other

    def now(self) -> float:
        """Return the time by the server's clock, in seconds since 1970: its objects are dated by it."""
        return self._transport.clock.now()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, asked: _Asked, shape: Any, *, may_repeat: bool) -> Any:
        """Send a request until there is a clear answer, or patience ends."""
        attempt, renewed = 1, False
        while True:
            try:
                with self._send(asked) as stream:
                    return self._decoded(stream, shape)
            except Unauthorized:
                if renewed or not self.connection.credentials.renew():
                    raise
                renewed = True
                continue
            except (ApiError, Unreachable) as error:
                if not may_repeat and _may_have_happened(error):
                    raise UnclearOutcome(asked.call, self.connection.where, error) from error
                pause_s = self._pause_s(error, attempt)
                if pause_s is None:
                    raise
            self._sleep(pause_s)
            attempt += 1

    def _pause_s(self, error: ApiError | Unreachable, attempt: int) -> float | None:
        """Return how long to wait before the next attempt; None where there is to be none."""
        passing = error.may_pass if isinstance(error, Unreachable) else error.code >= 500
        asked = isinstance(error, TooManyRequests)
        if not (passing or asked) or attempt >= self._patience.attempts:
            return None
        if error.retry_after_s > self._patience.longest_asked_s:
            return None
        return max(error.retry_after_s, self._patience.pause_s(attempt, self._chance()))

    def _send(self, asked: _Asked) -> Stream:
        stream = self._transport.send(asked.method, asked.path, asked.query, asked.headers, asked.body, asked.silent_s)
        self._opened(stream)
        if stream.code < 300:
            return stream
        with stream:
            refused = stream.read()
        raise refusal(asked.call, self.connection.where, stream.code, refused, stream.retry_after)

    def _decoded(self, stream: Stream, shape: Any) -> Any:
        """Decode an answer. One that breaks off may do so without a sign in HTTP, and may be whole the next time."""
        try:
            answer = stream.read()
            with collection_paused():
                return decoder(shape).decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(
                self.connection.where,
                f"what came is no answer of Kubernetes ({stream.content_type or 'without a type'})",
                was_sent=True,
                may_pass="html" not in stream.content_type,
            ) from None


def _may_have_happened(error: ClusterError) -> bool:
    return error.was_sent if isinstance(error, Unreachable) else isinstance(error, ApiError) and error.code >= 500
