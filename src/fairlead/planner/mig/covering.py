"""The cheapest choice of one option for each GPU, such that all of them together give what is needed.

Sums are made GPU by GPU. Of sums that are reached in several ways the cheapest stays, and one that another exceeds in
everything at no higher cost is left out, as is one that can't come to what is needed any more: what is found is then
the cheapest there is. Where that leaves more sums than are allowed, the most promising stay, and it need not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.planner.mig.cards import Profile
from fairlead.planner.mig.layouts import Counts

Ints = NDArray[np.int64]

_MOST, _LEAST = 8000, 100
"""How many sums are kept at first, of all GPUs together, and at least after each; more take longer."""
_BLOCK = 256
_KEYS = 2.0**62
"""Rows are told apart by one number each where there are fewer that differ, which is ten times as fast."""


class Option(NamedTuple):
    """What a GPU can give.

    Attributes:
        gives: How many instances of each profile; fewer than none where it takes some from others.
        cost: What that costs.
        what: What the option is, for who made it.
    """

    gives: Counts
    cost: int
    what: Any = None


class Cover(NamedTuple):
    """The option of each GPU, and whether it is certain that none is cheaper.

    Attributes:
        chosen: An option for each GPU; None where nothing was found, which is certain where `is_exact`.
        is_exact: Whether nothing was left out that could have been better.
    """

    chosen: tuple[Option, ...] | None
    is_exact: bool


class _Sums(NamedTuple):
    """What the options of the first GPUs come to: a row for each sum, and how it was reached."""

    rows: Ints
    costs: Ints
    parents: Ints
    options: Ints

    def of(self, kept: Any) -> _Sums:
        return _Sums(*(each[kept] for each in self))


def cover(
    choices: Sequence[Sequence[Option]], need: Counts, profiles: Sequence[Profile], *, all_of_up_to: int
) -> Cover:
    """Choose an option for each GPU.

    Args:
        choices: The options of each GPU; the cheapest first where several do as well.
        need: How many instances of each profile all GPUs have to give together.
        profiles: The profiles.
        all_of_up_to: For how many GPUs nothing is left out, however long it takes.

    Returns:
        The cheapest choice.
    """
    found = _cover(choices, need, profiles, most=max(_MOST // len(choices), _LEAST))
    return found if found.is_exact or len(choices) > all_of_up_to else _cover(choices, need, profiles, most=None)


def _cover(
    choices: Sequence[Sequence[Option]], need: Counts, profiles: Sequence[Profile], *, most: int | None
) -> Cover:
    wanted, weights = np.array(need, np.int64), _weights(profiles)
    gives = [np.array([each.gives for each in options], np.int64) for options in choices]
    costs = [np.array([each.cost for each in options], np.int64) for options in choices]
    ahead = _ahead(gives, weights)
    nothing = np.zeros(1, np.int64)
    layers = [_Sums(np.zeros((1, len(need)), np.int64), nothing, nothing, nothing)]
    is_exact = True
    for place, (given, cost) in enumerate(zip(gives, costs, strict=True)):
        sums = _reaching(_added(layers[-1], given, cost), wanted, weights, ahead[place + 1])
        if place == len(gives) - 1:
            sums = sums.of(np.argsort(sums.costs, kind="stable")[:1])
        else:
            sums = _cheapest(sums)
            if most is not None and len(sums.rows) > 8 * most:  # comparing all with all would take long
                sums, is_exact = _promising(sums, wanted, weights, 8 * most), False
            sums = _undominated(sums)
            if most is not None and len(sums.rows) > most:
                sums, is_exact = _promising(sums, wanted, weights, most), False
        if not len(sums.rows):
            return Cover(None, is_exact)
        layers.append(sums)
    chosen, row = [], 0
    for options, layer in zip(reversed(choices), reversed(layers[1:]), strict=True):
        chosen.append(options[layer.options[row]])
        row = int(layer.parents[row])
    return Cover(tuple(reversed(chosen)), is_exact)


def _weights(profiles: Sequence[Profile]) -> Ints:
    """Return measures of instances [profiles, measures], the memory slices first.

    What GPUs can give by any measure bounds what they can come to, so any may be taken: the halves and quarters of
    a card are among them because large instances take those whole.
    """
    rows = []
    for each in profiles:
        size = each.memory_slices
        rows.append([size, each.compute_slices, size + each.compute_slices, size // 2, size // 4])
    return np.array(rows, np.int64)


class _Ahead(NamedTuple):
    """What the GPUs from one on can give at most, of each profile and by each measure, and take at most."""

    most: Ints
    measures: Ints
    taken: Ints


def _ahead(gives: Sequence[Ints], weights: Ints) -> list[_Ahead]:
    nothing, profiles = np.zeros(weights.shape[1], np.int64), np.zeros(len(weights), np.int64)
    after = [_Ahead(profiles, nothing, profiles)]
    for given in reversed(gives):
        last = after[-1]
        after.append(
            _Ahead(
                last.most + given.max(axis=0),
                last.measures + (np.maximum(given, 0) @ weights).max(axis=0),
                last.taken + np.maximum(-given, 0).max(axis=0),
            )
        )
    return after[::-1]


def _added(before: _Sums, given: Ints, cost: Ints) -> _Sums:
    count, options = len(before.rows), len(given)
    rows = (before.rows[:, None, :] + given[None, :, :]).reshape(count * options, -1)
    costs = (before.costs[:, None] + cost[None, :]).reshape(-1)
    return _Sums(rows, costs, np.repeat(np.arange(count), options), np.tile(np.arange(options), count))


def _reaching(sums: _Sums, wanted: Ints, weights: Ints, ahead: _Ahead) -> _Sums:
    """Leave out what can't come to what is wanted; what is more than can be of use counts no more."""
    lacking = np.maximum(wanted - sums.rows, 0)
    reaches = (sums.rows + ahead.most >= wanted).all(axis=1) & (lacking @ weights <= ahead.measures).all(axis=1)
    found = sums.of(reaches)
    return found._replace(rows=np.minimum(found.rows, wanted + ahead.taken))


def _cheapest(sums: _Sums) -> _Sums:
    """Leave the cheapest of equal sums, in the order in which one may exceed only later ones."""
    order = np.lexsort((-sums.rows.sum(axis=1), sums.costs))
    ordered = sums.of(order)
    least = ordered.rows.min(axis=0, initial=0)
    spans = ordered.rows.max(axis=0, initial=0) - least + 1
    if spans.prod(dtype=float) < _KEYS:
        keys = (ordered.rows - least) @ np.concatenate([[1], np.cumprod(spans[:-1])])
        _, first = np.unique(keys, return_index=True)
    else:  # pragma: no cover
        _, first = np.unique(ordered.rows, axis=0, return_index=True)
    return ordered.of(np.sort(first))


def _undominated(sums: _Sums) -> _Sums:
    """Leave out sums that an earlier one, which costs no more, exceeds or equals in everything."""
    kept = np.zeros(0, np.int64)
    for start in range(0, len(sums.rows), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(sums.rows)))
        rows = sums.rows[block]
        block = block[~_exceeded(rows, sums.rows[kept])]
        rows = sums.rows[block]
        earlier = np.triu(np.ones((len(rows), len(rows)), bool), 1)
        exceeds: NDArray[np.bool_] = (rows[:, None, :] >= rows[None, :, :]).all(axis=2) & earlier
        kept = np.concatenate([kept, block[~np.any(exceeds, axis=0)]])
    return sums.of(kept)


def _exceeded(rows: Ints, others: Ints) -> NDArray[np.bool_]:
    found = np.zeros(len(rows), bool)
    for start in range(0, len(others), _BLOCK):
        some = others[start : start + _BLOCK]
        exceeds: NDArray[np.bool_] = np.all(some[None, :, :] >= rows[:, None, :], axis=2)
        found |= np.any(exceeds, axis=1)
    return found


def _promising(sums: _Sums, wanted: Ints, weights: Ints, most: int) -> _Sums:
    """Leave a third of those that lack least, one of those that cost least, and one of those that are best in both."""
    lacking = np.maximum(wanted - sums.rows, 0) @ weights[:, 0]
    lean, cheap = (each / max(1, int(each.max() - each.min())) for each in (lacking, sums.costs))
    orders = (
        np.lexsort((sums.costs, lacking)),
        np.lexsort((lacking, sums.costs)),
        np.argsort(lean + cheap, kind="stable"),
    )
    return sums.of(np.unique(np.concatenate([order[: most // 3] for order in orders])))
