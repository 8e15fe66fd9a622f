"""Counting the instances of each step by how they are doing, for displays that follow a run."""

from __future__ import annotations

from collections import Counter

from fairlead.store.progress import Instance


class Tally:
    """The number of instances of each step by their word, kept up as they change.

    Attributes:
        counts: For each step's name, how many instances have which word.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._words: dict[tuple[str, int], str] = {}

    def take(self, instance: Instance) -> None:
        """Count an instance under the word it has now."""
        word = "cached" if instance.cached else instance.status
        counts = self.counts.setdefault(instance.name, Counter())
        previous = self._words.get(instance.key)
        if previous is not None:
            counts[previous] -= 1
        counts[word] += 1
        self._words[instance.key] = word
