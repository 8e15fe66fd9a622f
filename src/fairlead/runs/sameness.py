"""Whether two inputs of other bytes hold equal values: both are loaded and compared, within bounds."""

from __future__ import annotations

from pathlib import Path

from fairlead.packaging.loading import import_project
from fairlead.packaging.package import unpack
from fairlead.packaging.project import find_project
from fairlead.runs.equality import Verdict, compare
from fairlead.store.layout import object_key
from fairlead.store.opened import Store
from fairlead.store.records import RunSpec
from fairlead.worker.resolving import refs_in
from fairlead.worker.running import load_input
from fairlead.worker.tasks import Given, Input

SIZE_MAX = 64 * 2**20
"""Bytes of one input above which its value is not loaded: this must stay a quick question."""
TOTAL_MAX = 512 * 2**20
"""Bytes that are loaded in all."""


class Sameness:
    """Compares inputs of runs by value.

    Args:
        store: Where the values lie.
        spec: The run whose code knows the classes of pickled values; its recorded code is imported when needed.
    """

    def __init__(self, store: Store, spec: RunSpec) -> None:
        self._store = store
        self._spec = spec
        self._left = TOTAL_MAX
        self._is_imported = False
        self._known: dict[tuple[str, ...], Verdict] = {}

    def verdict(self, first: Input, second: Input) -> Verdict:
        """Say whether two inputs are equal; ``unknown`` where they are large or can't be loaded or compared."""
        if isinstance(first, Given) and isinstance(second, Given):
            return compare(first.value, second.value)
        refs = [*refs_in(first), *refs_in(second)]
        size = sum(ref.size_bytes for ref in refs)
        key = tuple(ref.digest for ref in refs)
        if key not in self._known:
            if size > SIZE_MAX or size > self._left:
                return "unknown"
            self._left -= size
            self._known[key] = self._compare(first, second, pickled=any(ref.format == "pickle" for ref in refs))
        return self._known[key]

    def _compare(self, first: Input, second: Input, *, pickled: bool) -> Verdict:
        try:
            if pickled:
                self._import_code()
            return compare(load_input(self._store.values, first), load_input(self._store.values, second))
        except (Exception, SystemExit):  # the user's classes and modules may raise anything; nothing is known then
            return "unknown"

    def _import_code(self) -> None:
        """Make the classes of the run's project importable, once."""
        if self._is_imported or self._spec.code is None or self._spec.code.package is None:
            return
        self._is_imported = True
        contents = unpack(self._store.backend.get(object_key(self._spec.code.package.digest)))
        import_project(find_project(Path(self._spec.code.file)), contents)
