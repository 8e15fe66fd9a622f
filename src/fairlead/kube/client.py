"""The client: requests to one API server, dicts in and dicts out.

Objects are named by `resources.Kind`, name and namespace. What is repeated, and what is raised, `api` says.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from fairlead.kube.api import Api
from fairlead.kube.failures import Expired
from fairlead.kube.resources import POD, Kind, name_kind, name_of
from fairlead.kube.transport import READ_S, Stream

PAGE = 500
"""How many objects one answer of a list has, as with kubectl."""

EVERYWHERE = ""
"""In the place of a namespace: all of them."""

_READ_BYTES = 1 << 20
"""Of the end of a log at most so much is read at once."""

T = TypeVar("T")
Labels = str | Mapping[str, str]
Patch = Literal["merge", "json", "apply"]

_PATCH_TYPES: Mapping[Patch, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Listing(NamedTuple):
    """Objects as they were at one moment, and the resource version from which to watch them."""

    items: list[Any]
    resource_version: str


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    next: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct, Generic[T]):
    """One page of a list."""

    metadata: _ListMeta
    items: list[T] | None = None


class Client(Api):
    """Reads, writes and deletes objects of a cluster. Threads share it."""

    def get(
        self, kind: Kind, name: str, *, namespace: str | None = None, metadata_only: bool = False
    ) -> dict[str, Any]:
        """Read one object.

        Args:
            kind: Its kind.
            name: Its name.
            namespace: None for the connection's.
            metadata_only: Leave out everything but the metadata.

        Raises:
            NotFound: There is none, or its kind is not served.
        """
        accept = metadata_type("PartialObjectMetadata") if metadata_only else ""
        return self.request("GET", self._path(kind, namespace, name), accept=accept)

    def list(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        labels: Labels = "",
        fields: str = "",
        metadata_only: bool = False,
        shape: Any = dict[str, Any],
    ) -> Listing:
        """Read all objects of a kind, page by page; each has its kind and version, as if it were read alone.

        Args:
            kind: The kind.
            namespace: None for the connection's, `EVERYWHERE` for all.
            labels: A label selector, or labels with the values that they must have.
            fields: A field selector.
            metadata_only: Leave out everything but the metadata.
            shape: What each object is decoded to: a type of `msgspec` that names only some fields costs less.
        """
        wanted: dict[str, Any] = {"labels": labels, "fields": fields, "metadata_only": metadata_only, "shape": shape}
        path = self._path(kind, namespace)
        try:
            pages = [*self.pages(path, **wanted)]
        except Expired:  # the list took longer than the server keeps old versions: all at once needs none
            pages = [*self.pages(path, **wanted, limit=0)]
        items = [each for page in pages for each in page.items or ()]
        for item in items:
            if isinstance(item, dict):
                name_kind(item, kind)
        return Listing(items, pages[-1].metadata.resourceVersion)

    def pages(
        self,
        path: str,
        *,
        labels: Labels = "",
        fields: str = "",
        metadata_only: bool = False,
        limit: int = PAGE,
        shape: Any = msgspec.Raw,
    ) -> Iterator[Page[Any]]:
        """Yield the pages of a list, which together show one moment.

        Raises:
            Expired: It took longer than the server keeps old versions, five minutes by default.
        """
        query: dict[str, Any] = {"labelSelector": selector(labels), "fieldSelector": fields, "limit": limit}
        accept = metadata_type("PartialObjectMetadataList") if metadata_only else ""
        while True:
            page: Page[Any] = self.read(path, query, accept=accept, shape=Page[shape])
            yield page
            if not page.metadata.next:
                return
            query["continue"] = page.metadata.next

    def create(
        self,
        kind: Kind,
        manifest: dict[str, Any],
        *,
        namespace: str | None = None,
        manager: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Create an object; fields that the cluster does not know are refused rather than dropped.

        It is not repeated once it may have reached the server: two objects could come of it where the server makes
        the name, and where it does not, the second answer would hide the first.

        Raises:
            AlreadyExists: The name is taken.
            UnclearOutcome: No answer came; read the object to see whether it exists.
            Invalid, Forbidden: The server refused.
        """
        given = manifest.get("metadata", {}).get("namespace")
        path = self._path(kind, namespace if namespace is not None else given)
        query = {"dryRun": "All" if dry_run else "", "fieldManager": manager, "fieldValidation": "Strict"}
        return self.request("POST", path, query=query, body=manifest, repeat=dry_run)

    def replace(
        self,
        kind: Kind,
        manifest: dict[str, Any],
        *,
        namespace: str | None = None,
        subresource: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Write an object that exists. With its resource version in it, nothing that changed meanwhile is lost.

        Raises:
            Conflict: It has changed since it was read. After a lost answer this may be one's own change.
        """
        given = manifest.get("metadata", {}).get("namespace")
        path = self._path(kind, namespace if namespace is not None else given, name_of(manifest), subresource)
        return self.request(
            "PUT", path, query={"dryRun": "All" if dry_run else "", "fieldValidation": "Strict"}, body=manifest
        )

    def patch(
        self,
        kind: Kind,
        name: str,
        patch: Any,
        *,
        namespace: str | None = None,
        how: Patch = "merge",
        manager: str = "",
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Change some fields of an object.

        Args:
            kind: Its kind.
            name: Its name.
            patch: A partial object; for ``json`` a list of operations.
            namespace: None for the connection's.
            how: ``merge``; ``json``, which is not repeated, as its operations may not bear it; ``apply``, server-side
                apply, which makes the object where there is none and needs a `manager`.
            manager: Who owns the fields.
            force: With ``apply``: take fields from their owners.
            subresource: ``status`` for instance.
            dry_run: Have it checked only.

        Raises:
            Conflict: The resource version in the patch is old, or with ``apply`` others own a field.
            UnclearOutcome: No answer came to a ``json`` patch.
        """
        query = {
            "dryRun": "All" if dry_run else "",
            "fieldManager": manager,
            "fieldValidation": "Strict",
            "force": "true" if force and how == "apply" else "",
        }
        return self.request(
            "PATCH",
            self._path(kind, namespace, name, subresource),
            query=query,
            body=patch,
            content_type=_PATCH_TYPES[how],
            repeat=how != "json",
        )

    def delete(
        self,
        kind: Kind,
        name: str,
        *,
        namespace: str | None = None,
        uid: str = "",
        grace_s: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Delete an object.

        Args:
            kind: Its kind.
            name: Its name.
            namespace: None for the connection's.
            uid: Delete it only if it is this one, and not another of the same name.
            grace_s: How long its processes have to end, in seconds; None for the object's own.
            propagation: What happens to the objects that it owns.
            dry_run: Have it checked only.

        Returns:
            The object while it is being deleted, or a Status once it is gone.

        Raises:
            NotFound: There is none; after a lost answer this may be one's own doing.
            Conflict: It has another uid.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid} if uid else None,
            "gracePeriodSeconds": grace_s,
            "dryRun": ["All"] if dry_run else None,
        }
        return self.request("DELETE", self._path(kind, namespace, name), body=_given(body))

    def delete_collection(
        self,
        kind: Kind,
        *,
        namespace: str,
        labels: Labels,
        propagation: Literal["Background", "Foreground"] = "Background",
    ) -> None:
        """Delete all objects of a kind in one namespace that a selector, which can't be empty, selects."""
        if not namespace or not labels:
            raise ValueError("a collection is deleted in one namespace, and by labels")
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self.request("DELETE", self._path(kind, namespace), query={"labelSelector": selector(labels)}, body=body)

    def logs(
        self,
        pod: str,
        *,
        namespace: str | None = None,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        since: str = "",
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
        timestamps: bool = False,
        silent_s: float = 3600.0,
    ) -> Stream:
        """Read what a container has written; to be used in a ``with``.

        Args:
            pod: The pod's name.
            namespace: None for the connection's.
            container: Empty where the pod has one only.
            follow: Go on until the container ends.
            previous: Read that of the container's start before this one.
            since: Leave out what is older than this time, RFC 3339.
            tail_lines: How many last lines there are at most.
            limit_bytes: How many bytes there are at most.
            timestamps: Put the time before each line.
            silent_s: With `follow`: for how many seconds nothing may be written before the connection counts as dead.
        """
        query = {
            "container": container,
            "follow": "true" if follow else "",
            "previous": "true" if previous else "",
            "sinceTime": since,
            "tailLines": tail_lines,
            "limitBytes": limit_bytes,
            "timestamps": "true" if timestamps else "",
        }
        return self.stream(self._path(POD, namespace, pod, "log"), query, silent_s=silent_s if follow else READ_S)

    def last_lines(
        self,
        pod: str,
        *,
        namespace: str | None = None,
        container: str = "",
        previous: bool = False,
        lines: int,
        size_bytes: int,
        timestamps: bool = False,
    ) -> bytes:
        """Read the last lines of what a container has written, as far as so many bytes go back.

        A server that is told a limit leaves out what comes last: fewer lines are asked for then.

        Args:
            pod: The pod's name.
            namespace: None for the connection's.
            container: Empty where the pod has one only.
            previous: Read those of the container's start before this one.
            lines: How many lines there are at most.
            size_bytes: How many bytes there are at most; the first line may lack its beginning.
            timestamps: Put the time before each line.
        """
        most = max(size_bytes, _READ_BYTES)
        while True:
            asked = self.logs(
                pod, namespace=namespace, container=container, previous=previous, tail_lines=lines, limit_bytes=most,
                timestamps=timestamps,
            )  # fmt: skip
            with asked as stream:
                content = stream.read()
            if len(content) < most or lines == 1:
                return content[-size_bytes:]
            lines = max(1, lines // 8)

    def _path(self, kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
        return kind.path(self.connection.namespace if namespace is None else namespace, name, subresource)


def metadata_type(form: str) -> str:
    """Return the media type of objects without anything but their metadata; a server that has none sends them whole."""
    return f"application/json;as={form};g=meta.k8s.io;v=v1,application/json"


def selector(labels: Labels) -> str:
    """Return a label selector: the text, or that of labels with the values that they must have."""
    return labels if isinstance(labels, str) else ",".join(f"{name}={value}" for name, value in labels.items())


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
