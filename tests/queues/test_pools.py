"""Quota lent and borrowed, against a search through every way in which it could be."""

from __future__ import annotations

import random

import pytest

from fairlead.queues.pools import Pool, fits
from fairlead.queues.specs import FlavorResource, Quota
from queues.random_queues import quota

WHAT = FlavorResource("a", "cpu")
CASES = 100_000


def reference(pool: Pool, usage: dict[str, int]) -> set[int]:
    """Return every net amount that a pool can do with from above: borrowed, or lent where it is negative.

    Written from the documentation: a queue uses its nominal quota and what it borrows, at most its borrowing limit; it
    lends what it does not use, at most its lending limit; a cohort passes on what its members lend, with its own quota.
    """
    own = pool.quotas.get(WHAT, Quota(nominal=0))
    needed = {-own.nominal} if pool.children else {usage[pool.name] - own.nominal}
    for child in pool.children:
        needed = {one + other for one in needed for other in reference(child, usage)}
    if pool.parent is None:
        return {0} if any(least <= 0 for least in needed) else set()
    total = _total(pool.root)
    most_lent = total if own.lending_limit is None else own.lending_limit
    most_borrowed = total if own.borrowing_limit is None else own.borrowing_limit
    return {net for net in range(-most_lent, most_borrowed + 1) if any(least <= net for least in needed)}


def _total(pool: Pool) -> int:
    return sum(each.quotas[WHAT].nominal for each in _all(pool) if WHAT in each.quotas)


def _all(pool: Pool) -> list[Pool]:
    return [pool, *(each for child in pool.children for each in _all(child))]


def tree(chance: random.Random) -> tuple[Pool, list[Pool]]:
    """Return a cohort, perhaps with one below it, and its queues."""
    top = Pool("top", {WHAT: quota(chance, 2, lends=False)} if chance.random() < 0.3 else {})
    cohorts = [top]
    if chance.random() < 0.4:
        below = Pool("below", {WHAT: quota(chance, 2)} if chance.random() < 0.6 else {})
        top.adopt(below)
        cohorts.append(below)
    queues = [Pool(f"q{number}", {WHAT: quota(chance, 4)}) for number in range(chance.randint(1, 3))]
    for queue in queues:
        chance.choice(cohorts).adopt(queue)
    top.children = [each for each in top.children if each.children or each.name != "below"]
    top.sum_up()
    return top, queues


@pytest.mark.timeout(300)
def test_what_fits_is_what_some_way_of_lending_allows() -> None:
    chance, seen = random.Random(7), {True: 0, False: 0}
    while sum(seen.values()) < CASES:
        top, queues = tree(chance)
        usage = {each.name: 0 for each in queues}
        for _ in range(6):
            queue, amount = chance.choice(queues), chance.randint(1, 3)
            asked = {**usage, queue.name: usage[queue.name] + amount}
            does = fits(queue, {WHAT: amount})
            assert does == bool(reference(top, asked)), (usage, queue.name, amount)
            seen[does] += 1
            if does:
                queue.use(WHAT, amount)
                usage = asked
            elif usage[queue.name] and chance.random() < 0.5:
                queue.release(WHAT, 1)
                usage[queue.name] -= 1
    assert min(seen.values()) > CASES / 10


def test_what_is_used_and_given_back_leaves_no_trace() -> None:
    chance = random.Random(11)
    for _ in range(500):
        top, queues = tree(chance)
        taken = [(chance.choice(queues), chance.randint(1, 4)) for _ in range(8)]
        for queue, amount in taken:
            queue.use(WHAT, amount)
        chance.shuffle(taken)
        for queue, amount in taken:
            queue.release(WHAT, amount)
        assert all(each.used.get(WHAT, 0) == 0 for each in _all(top))


def test_more_than_could_ever_be_had_is_told_from_what_can_not_be_had_now() -> None:
    top = Pool("top", {})
    queue, other = Pool("q", {WHAT: Quota(nominal=2, borrowing_limit=1)}), Pool("o", {WHAT: Quota(nominal=4)})
    top.adopt(queue)
    top.adopt(other)
    top.sum_up()
    other.use(WHAT, 4)
    assert (queue.potential(WHAT), queue.available(WHAT)) == (3, 2)
