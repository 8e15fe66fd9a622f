"""The objects of one list and watch, kept up to date. Pure: no connection, no thread, no clock.

Resource versions are compared for being equal and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from fairlead.decoding import decode_json
from fairlead.kube.garbage import collection_paused
from fairlead.kube.resources import Kind, name_kind

Key = tuple[str, str]
"""Namespace and name; the namespace is empty for kinds without."""


class Event(NamedTuple):
    """What became of one object.

    Attributes:
        type: It came, changed or went.
        object: As it is now; for ``DELETED`` as it was last.
        old: As it was before; None for ``ADDED``.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Any
    old: Any


class Metadata(msgspec.Struct, rename="camel"):
    """What must be known of every object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Head(msgspec.Struct):
    """An object of which nothing else is decoded."""

    metadata: Metadata


class _Kept(NamedTuple):
    uid: str
    version: str
    object: Any


Draft = dict[Key, _Kept]
"""A list that is not taken yet."""


class Mirror:
    """What a cluster holds, as far as it has been told.

    Args:
        shape: What objects are decoded to: a type of `msgspec`; one that names only some fields costs less.
        project: Makes what is kept of each decoded object; None to keep all of it.
        kind: What objects that are dicts are, where they do not say so themselves: those of a list do not.
    """

    def __init__(
        self, shape: Any = dict[str, Any], project: Callable[[Any], Any] | None = None, kind: Kind | None = None
    ) -> None:
        self._shape, self._project, self._kind = shape, project, kind
        self._kept: Draft = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, namespace: str, name: str) -> Any | None:
        """Return what is kept of an object; None where there is none."""
        found = self._kept.get((namespace, name))
        return None if found is None else found.object

    def objects(self) -> dict[Key, Any]:
        """Return a copy of all."""
        return {key: kept.object for key, kept in self._kept.copy().items()}

    def versions(self) -> dict[Key, str]:
        """Return the resource version of every object."""
        return {key: kept.version for key, kept in self._kept.copy().items()}

    def draft(self, pages: Iterable[Iterable[msgspec.Raw]]) -> Draft:
        """Decode a new list without taking it yet; what has the version that is kept is not decoded again."""
        draft: Draft = {}
        for page in pages:
            with collection_paused():
                self._add(page, draft)
        return draft

    def _add(self, page: Iterable[msgspec.Raw], draft: Draft) -> None:
        for raw in page:
            head = decode_json(raw, Head).metadata
            key, before = (head.namespace, head.name), self._kept.get((head.namespace, head.name))
            known = before is not None and (before.uid, before.version) == (head.uid, head.resource_version)
            draft[key] = before if before is not None and known else self._keep(head, raw)

    def replace(self, draft: Draft) -> list[Event]:
        """Take a new list as the whole truth.

        Returns:
            What has happened meanwhile: first what went, then what came or changed. An object that was deleted and
            made again under its name has gone and come.
        """
        before, self._kept = self._kept, draft
        went = [
            Event("DELETED", old.object, old.object)
            for key, old in before.items()
            if key not in draft or draft[key].uid != old.uid
        ]
        return [*went, *_come_or_changed(before, draft)]

    def apply(self, type: str, raw: msgspec.Raw, head: Metadata | None = None) -> list[Event]:
        """Take one event of a watch.

        Args:
            type: ``ADDED``, ``MODIFIED`` or ``DELETED``, which is believed only where it says that something went: a
                watch may repeat what is known.
            raw: The object.
            head: Its metadata, where they have been decoded already.

        Returns:
            What has happened, which may be nothing.
        """
        head = head or decode_json(raw, Head).metadata
        key, before = (head.namespace, head.name), self._kept.get((head.namespace, head.name))
        if type == "DELETED":
            if before is None or before.uid != head.uid:
                return []
            last = self._keep(head, raw).object
            del self._kept[key]
            return [Event("DELETED", last, before.object)]
        if before is not None and (before.uid, before.version) == (head.uid, head.resource_version):
            return []
        now = self._kept[key] = self._keep(head, raw)
        if before is None:
            return [Event("ADDED", now.object, None)]
        if before.uid == now.uid:
            return [Event("MODIFIED", now.object, before.object)]
        return [Event("DELETED", before.object, before.object), Event("ADDED", now.object, None)]

    def _keep(self, head: Metadata, raw: msgspec.Raw) -> _Kept:
        decoded = decode_json(raw, self._shape)
        if self._kind is not None and isinstance(decoded, dict):
            name_kind(decoded, self._kind)
        return _Kept(head.uid, head.resource_version, self._project(decoded) if self._project else decoded)


def _come_or_changed(before: Draft, now: Draft) -> Iterator[Event]:
    for key, new in now.items():
        old = before.get(key)
        if old is None or old.uid != new.uid:
            yield Event("ADDED", new.object, None)
        elif old is not new:
            yield Event("MODIFIED", new.object, old.object)
