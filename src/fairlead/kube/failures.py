"""What a cluster refuses or fails to answer, as errors on which a caller can act.

    ClusterError                  exit code
    ├── Unreachable               3   nothing that is a Kubernetes API answered
    ├── UnclearOutcome            3   a change was sent and no answer came: it may have happened
    ├── CredentialsError          3   the credentials of the kubeconfig can't be had
    └── ApiError                  3   the API answered with a refusal of another kind than these
        ├── Unauthorized          3   the credentials are not accepted, fresh ones neither
        ├── Forbidden             3   not allowed; `missing_rule` is what a Role lacks
        ├── NotFound              4   no such object, or (`is_served`) no such kind
        ├── AlreadyExists         3   the name is taken
        ├── Conflict              3   the object changed meanwhile: read it again
        ├── Invalid               2   the object can't be; `causes` has its fields
        ├── Expired               3   a resource version or continue token is too old: list again
        └── TooManyRequests       3   the server asked to wait, longer than was waited

Only the message of a ``Status`` is ever shown: other bodies come from proxies and may hold secrets.
Source: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#status-v1-meta
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fairlead.decoding import decoder
from fairlead.errors import ClusterError, Fault

_MESSAGE_LENGTH_MAX = 1000


class Unreachable(ClusterError):
    """Nothing that is a Kubernetes API answered: no connection, no answer in time, or a proxy's error page.

    Attributes:
        was_sent: The request may have reached the server.
        may_pass: Asking again may help; not so where a certificate is refused, for instance.
        retry_after_s: How long a proxy asked to wait, in seconds; 0 where none did.
    """

    def __init__(
        self, server: str, why: str, *, was_sent: bool, may_pass: bool = True, retry_after_s: float = 0, next: str = ""
    ) -> None:
        super().__init__(
            "the cluster does not answer",
            where=server,
            why=why,
            next=next or "check the network, the proxy settings and the server's address in the kubeconfig",
        )
        self.was_sent = was_sent
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s


class UnclearOutcome(ClusterError):
    """A change was sent and no clear answer came: read the object to see whether it happened."""

    def __init__(self, call: Call, where: str, cause: ClusterError) -> None:
        super().__init__(
            f"it is not known whether this happened: {call}", where=where, why=cause.why, next="read the object again"
        )
        self.call = call


class CredentialsError(ClusterError):
    """The credentials that a kubeconfig names cannot be had: a plugin fails, a file is missing."""


class Rule(NamedTuple):
    """One permission: what a rule of a Role gives."""

    verb: str
    group: str
    resource: str


class Call(NamedTuple):
    """What a request asks, in the words of RBAC. `resource` contains the subresource: ``pods/log``."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        target = f"{resource} {self.name}".rstrip()
        return f"{self.verb} {target}" + (f" in namespace {self.namespace}" if self.namespace else "")


class ApiError(ClusterError):
    """The API server refused.

    Attributes:
        call: What was asked.
        code: The HTTP status.
        reason: The reason of the Status, ``Forbidden`` for instance; empty where the answer was no Status.
        message: The message of the Status, cut to 1,000 characters; empty likewise.
        causes: The faults that the Status lists, each with its field.
        retry_after_s: How long the server asked to wait, in seconds; 0 where it did not.
    """

    def __init__(self, call: Call, where: str, code: int, status: Status, retry_after_s: float = 0) -> None:
        self.call = call
        self.code = code
        self.reason = status.reason
        self.message = status.message[:_MESSAGE_LENGTH_MAX]
        self.causes = status.causes
        self.retry_after_s = retry_after_s
        answer = f"[API {code} {self.reason}]" if self.reason else f"[HTTP {code}, no Kubernetes answer]"
        super().__init__(
            f"the cluster refused: {call}", where=where, why=f"{self.message} {answer}".strip(), next=self._advice()
        )

    def _advice(self) -> str:
        return ""


class Unauthorized(ApiError):
    """The credentials are not accepted; they have been renewed once already."""

    def _advice(self) -> str:
        return "log in again, or check the user of this context in the kubeconfig"


class Forbidden(ApiError):
    """Not allowed by RBAC, or refused by a quota or an admission plugin."""

    @property
    def missing_rule(self) -> Rule | None:
        """What a Role lacks; None where something else than RBAC refused."""
        if " cannot " not in self.message:
            return None
        return Rule(self.call.verb, self.call.group, self.call.resource)

    def _advice(self) -> str:
        rule = self.missing_rule
        if rule is None:
            return ""
        kind = f"a Role in namespace {self.call.namespace}" if self.call.namespace else "a ClusterRole"
        return f"ask for {kind} with apiGroups [{rule.group!r}], resources [{rule.resource!r}], verbs [{rule.verb!r}]"


class NotFound(ApiError):
    """There is no such object, or the cluster does not serve its kind.

    Attributes:
        is_served: The cluster serves this kind; it is the object, or its namespace, that is missing.
    """

    exit_code = 4

    def __init__(self, call: Call, where: str, code: int, status: Status, retry_after_s: float = 0) -> None:
        super().__init__(call, where, code, status, retry_after_s)
        self.is_served = bool(status.name)


class AlreadyExists(ApiError):
    """An object of this name exists."""


class Conflict(ApiError):
    """The object has changed since it was read, or another manager owns a field."""


class Invalid(ApiError):
    """The object cannot be."""

    exit_code = 2


class Expired(ApiError):
    """A resource version or a continue token is too old: list again."""


class TooManyRequests(ApiError):
    """The server asked to wait, and more than once or longer than was waited."""

    def _advice(self) -> str:
        return f"try again in {self.retry_after_s:g} s" if self.retry_after_s else "try again later"


class Status(NamedTuple):
    """What is used of a Kubernetes Status; empty where an answer was none."""

    reason: str = ""
    message: str = ""
    name: str = ""
    causes: tuple[Fault, ...] = ()
    code: int = 0
    retry_after_s: float = 0


_OF_REASON: Mapping[str, type[ApiError]] = {
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Expired": Expired,
    "Forbidden": Forbidden,
    "Gone": Expired,
    "Invalid": Invalid,
    "NotFound": NotFound,
    "TooManyRequests": TooManyRequests,
    "Unauthorized": Unauthorized,
}
_OF_CODE: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
    429: TooManyRequests,
}


class _Cause(msgspec.Struct):
    message: str | None = ""
    field: str | None = ""


class _Details(msgspec.Struct):
    name: str | None = ""
    causes: Sequence[_Cause] | None = ()
    retryAfterSeconds: int | None = 0


class _Status(msgspec.Struct):
    kind: str = ""
    status: str | None = ""
    reason: str | None = ""
    message: str | None = ""
    details: _Details | None = None
    code: int | None = 0


def read_status(body: bytes | msgspec.Raw) -> Status | None:
    """Read an answer or a watch event as a Status; None where it is none, however it looks."""
    try:
        found = decoder(_Status).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if found.kind != "Status" and (found.kind or found.status != "Failure"):  # the error channel of exec names no kind
        return None
    details = found.details or _Details()
    causes = tuple(Fault(each.field or "", each.message or "") for each in details.causes or ())
    return Status(
        found.reason or "",
        found.message or "",
        details.name or "",
        causes,
        found.code or 0,
        float(details.retryAfterSeconds or 0),
    )


def refusal(call: Call, where: str, code: int, body: bytes | msgspec.Raw, retry_after: str = "") -> ClusterError:
    """Make the error for an answer that is no success.

    Args:
        call: What was asked.
        where: The server and the context, for the message.
        code: The HTTP status, or 0 for a Status in a watch, which has a code of its own.
        body: The answer; shown only where it is a Status.
        retry_after: The header of that name: seconds, or (not followed) a date.
    """
    status = read_status(body)
    wait_s = float(retry_after) if retry_after.isdigit() else 0.0
    if status is None and code in (502, 503, 504):
        return Unreachable(where, f"a proxy answered {code} in its place", was_sent=True, retry_after_s=wait_s)
    status = status or Status()
    code = code or status.code
    found = _OF_REASON.get(status.reason) or _OF_CODE.get(code, ApiError)
    return found(call, where, code, status, wait_s or status.retry_after_s)


_VERBS: Mapping[str, str] = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def call_of(method: str, path: str, query: Mapping[str, Any] | None = None) -> Call:
    """Read from a request what it asks, as the API server's authorizer does.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return Call(method.lower(), "", f"/{path.strip('/')}")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = rest[0], *rest[1:2], *[""] * (1 - len(rest[1:2])), "/".join(rest[2:])
    verb = _VERBS.get(method, "get")
    if verb == "get" and not name:
        verb = "watch" if (query or {}).get("watch") else "list"
    if verb == "delete" and not name:
        verb = "deletecollection"
    return Call(verb, group, f"{resource}/{subresource}" if subresource else resource, namespace, name)
