"""Published flows: what runs are made of later, by who has neither the project nor a person at hand."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.errors import NotFoundError
from fairlead.naming import RunId, digest_bytes
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import PUBLISHED, published_key
from fairlead.store.records import Published, RunSpec, decode, encode


class Publication(NamedTuple):
    """A published flow by its name: the flow's, and the digest of the record."""

    flow: str
    digest: str

    def __str__(self) -> str:
        return f"{self.flow}/{self.digest}"


def publication_of(published: Published) -> Publication:
    """Return the name of a flow that is, or may become, published."""
    return Publication(published.graph.flow, digest_bytes(encode(published)))


def read_published(backend: Backend, publication: Publication) -> Published:
    """Read a published flow.

    Raises:
        NotFoundError: It was never published in this store, or was removed.
    """
    key = published_key(*publication)
    try:
        return decode(backend.get(key), Published, key=key)
    except NotFoundError as error:
        raise NotFoundError(
            f"flow {publication.flow!r} is not published as {publication.digest[:12]}",
            where=f"store {backend.url}",
            next="fairlead publish FILE --on CONTEXT, with the files that its schedule was made of",
        ) from error


def list_published(backend: Backend, flow: str = "") -> list[Publication]:
    """Return all published flows, or the publications of one."""
    entries = list_all(backend, f"{PUBLISHED}{flow}/" if flow else PUBLISHED)
    return [Publication(*each.key.removeprefix(PUBLISHED).rsplit("/", 1)) for each in entries]


def run_of(
    published: Published,
    run: RunId,
    created: float,
    *,
    labels: dict[str, str],
    use_cache: bool,
    host: str,
    context: str,
) -> RunSpec:
    """Return the spec of a run of a published flow: the same bytes for the same arguments.

    Args:
        published: The flow.
        run: The run's id.
        created: When it was made, in seconds since 1970.
        labels: Its labels.
        use_cache: Whether results of earlier runs are used.
        host: What launches it, in the place of a machine.
        context: The name of the context it runs in.
    """
    return RunSpec(
        run=run,
        created=created,
        graph=published.graph,
        code=published.code,
        constants=published.constants,
        items=published.items,
        sources=published.sources,
        python=published.python,
        labels=labels,
        use_cache=use_cache,
        host=host,
        context=context,
    )
