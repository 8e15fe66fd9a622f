"""Turns what an object store's client raises into the store's errors, with what to do next.

Only a status, the provider's short error code and a few fixed words are taken from the client's text: it
also holds the body of the server's answer, which may quote signed headers and is therefore never shown.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fairlead.errors import FairleadError, NotFoundError, StoreError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_MISSING_BUCKET = ("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired")
_METADATA_SERVICES = ("//169.254.169.254", "//169.254.170.2", "//metadata.google.internal", "//metadata/")


class _Answer(NamedTuple):
    """What is used of the client's text."""

    text: str
    status: int
    code: str

    @property
    def shown(self) -> str:
        return " ".join(filter(None, [str(self.status or ""), self.code]))


def is_past_the_end(error: BaseException) -> bool:
    """Tell whether a range was refused because the object ends before it."""
    return _read(error).status == 416 or "StartTooLarge" in str(error)


def explain(error: Exception, verb: str, key: str, url: str) -> FairleadError | None:
    """Return the error to raise, or None where a deletion found nothing to delete.

    Args:
        error: What the client raised.
        verb: What was tried: ``read``, ``write``, ``list``, ``delete`` or ``open``.
        key: The object.
        url: The store's URL, which holds no secret.
    """
    answer = _read(error)
    bucket_is_missing = answer.code in _MISSING_BUCKET or (verb == "list" and answer.status == 404)
    if isinstance(error, FileNotFoundError) and not bucket_is_missing:
        if verb == "delete":
            return None
        if verb == "read":
            return NotFoundError(f"there is no {key}", where=f"store {url}")
    why, then = _NO_BUCKET if bucket_is_missing else _cause(error, answer)
    seen = f"   [{answer.shown}]" if answer.shown else ""
    return StoreError(f"cannot {verb} {key}", where=f"store {url}", why=f"{why}{seen}", next=then)


def _read(error: BaseException) -> _Answer:
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return _Answer(text, int(status[1]) if status else 0, code[1] if code else "")


_NO_BUCKET = ("there is no such bucket", "create the bucket, or correct its name and the endpoint")


def _cause(error: Exception, answer: _Answer) -> tuple[str, str]:
    if isinstance(error, OSError) and error.errno is not None:  # the local file of put_file
        return f"the local file: {error.strerror}", "check the file's path and mode"
    if any(place in answer.text for place in _METADATA_SERVICES):
        return (
            "no credentials were found, neither in the environment nor from this machine's identity",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the provider's own variables",
        )
    if answer.code in _EXPIRED:
        return "the credentials have expired", "renew them (log in again), then repeat"
    if answer.code == "RequestTimeTooSkewed":
        return "this machine's clock differs too much from the store's", "set the clock (chronyc makestep)"
    if answer.status in (401, 403) or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return "the store denied it", "check the credentials, and that they may read, write, list and delete here"
    if answer.status == 501 or answer.code == "NotImplemented" or type(error).__name__ == "NotSupportedError":
        return "the store does not support this request", "use a server with conditional writes (S3, MinIO, GCS, Azure)"
    if answer.status == 429 or answer.status >= 500:
        return "the store is overloaded or failing", "wait and repeat; look at the server's log"
    if answer.status:
        return "the store refused the request", "check the endpoint, region and bucket"
    return _without_an_answer(answer.text)


def _without_an_answer(text: str) -> tuple[str, str]:
    """Explain a request that met no server; the text is then the client's own and holds no body."""
    if "BadScheme" in text:
        return "the endpoint is http, which is off by default", "set AWS_ALLOW_HTTP=true, or use https"
    if "certificate" in text.lower():
        return "the server's certificate is not trusted", "set AWS_CA_BUNDLE to the file of its authority"
    if "HTTP error" in text:
        return "the store cannot be reached", "check AWS_ENDPOINT_URL or the provider's own variable, and the network"
    return (
        "its settings are incomplete or wrong",
        "set the provider's environment variables (account, region, endpoint)",
    )
