"""Names and indices of a graph's nodes, once all of them are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from fairlead.specs import graphs


class Draft:
    """A node while the graph grows: later calls may add exports, splits and orders to it."""

    __slots__ = ("after", "exports", "node", "split")

    def __init__(self, node: graphs.Node) -> None:
        self.node = node
        self.after: dict[int, None] = dict.fromkeys(node.after)
        self.exports: dict[graphs.Export, None] = {}
        self.split: dict[graphs.Export, None] = {}

    @property
    def is_open(self) -> bool:
        """Whether it is a map whose length is known at run time only."""
        return bool(self.node.each) and self.node.count is None

    def finished(self, index: int, name: str) -> graphs.Node:
        """Return the node as it stands in the graph."""
        return msgspec.structs.replace(
            self.node,
            index=index,
            name=name if name != self.node.step else "",
            after=tuple(self.after),
            exports=tuple(self.exports),
            split=tuple(self.split),
        )


def numbered(titles: Sequence[str], drafts: Sequence[Draft]) -> Iterator[graphs.Node]:
    """Give each node its name and first index.

    Instances of one name are counted from 0. A map whose length is known at run time only would leave
    the indices after it unknown; it shares its name with nothing else, and gets ``name-2`` if need be.

    Args:
        titles: The name of each node's step.
        drafts: The nodes.
    """
    plain = {title for title, draft in zip(titles, drafts, strict=True) if not draft.is_open}
    used = dict.fromkeys(titles, 0)
    suffix = {title: 1 if title in plain else 0 for title in titles}
    for title, draft in zip(titles, drafts, strict=True):
        if draft.is_open:
            suffix[title] += 1
            while suffix[title] > 1 and f"{title}-{suffix[title]}" in used:
                suffix[title] += 1
            yield draft.finished(0, title if suffix[title] == 1 else f"{title}-{suffix[title]}")
            continue
        yield draft.finished(used[title], title)
        used[title] += 1 if draft.node.count is None else draft.node.count
