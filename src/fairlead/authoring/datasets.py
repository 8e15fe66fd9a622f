"""Declared data: what a step reads from outside, named so that the cache knows when it has changed."""

from __future__ import annotations

import msgspec


class Dataset(msgspec.Struct, frozen=True):
    """Data that lies outside the store, at a version. It is a value: give it to a step, which opens `uri`.

    Attributes:
        uri: Where the data are.
        version: What changes when they change: a date, a commit, an ETag.
    """

    uri: str
    version: str


def dataset(uri: str, version: str) -> Dataset:
    """Declare data that a step reads from outside; a new version gives the step a new cache key.

    Example:
        >>> dataset("s3://lake/trips.parquet", "2026-11-01").version
        '2026-11-01'
    """
    return Dataset(uri, version)
