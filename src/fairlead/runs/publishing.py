"""Publishing a flow: its code, graph and constants are put into a store once, for runs that nobody launches.

What a flow would be published as is a function of its files, parameters and Python's version, and is told without a
store: what is rendered from it can stand in Git before it is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from fairlead.authoring.tracing import Traced
from fairlead.errors import NotFoundError
from fairlead.naming import RunId
from fairlead.packaging.project import Project
from fairlead.runs.options import Options
from fairlead.runs.specifying import specify
from fairlead.runs.travelling import packed_project
from fairlead.store.backends import Folder, list_all
from fairlead.store.layout import OBJECTS, published_key
from fairlead.store.opened import Store
from fairlead.store.publishing import Publication, list_published, publication_of
from fairlead.store.records import Published, encode
from fairlead.store.references import references_in


class Prepared(NamedTuple):
    """A flow that is ready to be published.

    Attributes:
        publication: Its name.
        notes: What the user should know of the files that travel.
    """

    publication: Publication
    notes: tuple[str, ...]


def prepare(project: Project, traced: Traced) -> Prepared:
    """Return what a traced flow would be published as.

    Raises:
        UsageError: The project can't travel.
    """
    with _written(project, traced) as (published, _, notes):
        return Prepared(publication_of(published), notes)


def publish(project: Project, traced: Traced, store: Store) -> Prepared:
    """Publish a traced flow in a store; where it is there already, nothing changes.

    Its values are written before the record, anew though the store has them: a collection of garbage that is under way
    takes none that is so young, and later ones find the record.

    Raises:
        UsageError: The project can't travel.
        StoreError: The store refuses.
    """
    with _written(project, traced) as (published, values, notes):
        publication, backend = publication_of(published), store.backend
        if publication not in list_published(backend, publication.flow) or not _is_whole(store, published):
            for entry in list(list_all(values, OBJECTS)):
                backend.put_file(entry.key, values.path(entry.key))
            backend.create(published_key(*publication), encode(published))
        return Prepared(publication, notes)


def unpublish(text: str, store: Store) -> Publication:
    """Remove a published flow from a store: the runs that were made of it stay.

    Args:
        text: ``FLOW/DIGEST``, of which the beginning of the digest will do.
        store: The store.

    Raises:
        NotFoundError: There is none, or several are meant.
    """
    flow, _, digest = text.partition("/")
    found = [each for each in list_published(store.backend, flow) if digest and each.digest.startswith(digest)]
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found)} published flows are meant by {text!r}",
            where=f"store {store.url}",
            next="fairlead publish --list",
        )
    store.backend.delete(published_key(*found[0]))
    return found[0]


@contextmanager
def _written(project: Project, traced: Traced) -> Iterator[tuple[Published, Folder, tuple[str, ...]]]:
    """Write a flow into a folder that is there for a moment; gives the record, where its values are, and notes."""
    packed = packed_project(project)
    with TemporaryDirectory(prefix="fairlead-") as folder:
        scratch = Store(folder, Path(folder) / "host")
        spec = specify(scratch, project, traced, Options(), run=RunId(""), created=0, package=packed.data)
        assert spec.code is not None and isinstance(scratch.backend, Folder)
        published = Published(
            graph=spec.graph,
            code=msgspec.structs.replace(spec.code, file=project.relative(spec.code.file)),
            constants=spec.constants,
            items=spec.items,
            sources=spec.sources,
            python=spec.python,
        )
        yield published, scratch.backend, packed.notes


def _is_whole(store: Store, published: Published) -> bool:
    return all(store.values.exists(ref) for ref in references_in(msgspec.to_builtins(published)))
