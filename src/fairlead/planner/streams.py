"""Random numbers by a seed: the stream that the published experiment drew from, so that a seed means the same here.

An additive lagged Fibonacci generator on words of 64 bits, as Go's math/rand has it: x[n] = x[n-607] + x[n-273]. Its
state is what that gives after 7.8e12 steps from a first state, mixed with a seed. The steps are not gone one by one:
the recurrence is linear, so they are a power of the unknown modulo its characteristic polynomial.

Source: Go's package math/rand, rand.go and gen_cooked.go.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

LONG, SHORT = 607, 273
STEPS = 7_800_000_000_000
_MODULUS = (1 << 31) - 1
_WORD = (1 << 64) - 1


class Stream:
    """Numbers that follow from a seed alone.

    Args:
        seed: Any whole number.
    """

    def __init__(self, seed: int) -> None:
        self._state = [known ^ word for known, word in zip(_warm(), _words(seed, 40, 20), strict=True)]
        self._short, self._long = 0, LONG - SHORT

    def _next(self) -> int:
        self._short = (self._short or LONG) - 1
        self._long = (self._long or LONG) - 1
        found = self._state[self._long] = (self._state[self._long] + self._state[self._short]) & _WORD
        return found

    def skip(self) -> None:
        """Leave one number out."""
        self._next()

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 up to a bound, which is not reached; all are equally likely."""
        if bound & (bound - 1) == 0:
            return (self._next() & (_WORD >> 1)) >> 32 & (bound - 1)
        most = (1 << 31) - 1 - (1 << 31) % bound
        while (found := (self._next() & (_WORD >> 1)) >> 32) > most:
            pass
        return found % bound

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put items in a random order."""
        for last in range(len(items) - 1, 0, -1):
            other = self._scaled(last + 1)
            items[last], items[other] = items[other], items[last]

    def permutation(self, count: int) -> list[int]:
        """Return the numbers below a count in a random order."""
        found = [0] * count
        for number in range(count):
            place = self.below(number + 1)
            found[number] = found[place]
            found[place] = number
        return found

    def _scaled(self, bound: int) -> int:
        """Draw as `below` does, by the upper half of a product: that is how Go shuffles."""
        refused = (1 << 32) % bound
        while True:
            product = ((self._next() & (_WORD >> 1)) >> 31) * bound
            if product & 0xFFFFFFFF >= refused:
                return product >> 32


def _words(seed: int, first: int, second: int) -> Iterator[int]:
    """Yield the words that a seed gives for a state: three numbers of a small generator, shifted, for each."""

    def small() -> Iterator[int]:
        number = seed % _MODULUS or 89_482_311
        while True:
            number = 48_271 * number % _MODULUS
            yield number

    numbers = islice(small(), 20, None)
    for _ in range(LONG):
        yield next(numbers) << first & _WORD ^ next(numbers) << second ^ next(numbers)


@cache
def _warm() -> tuple[int, ...]:
    """Return the state after the steps that every stream has behind it, in Go's order of the cells."""
    begun = list(_words(1, 20, 10))
    values: Words = np.zeros(2 * LONG, np.uint64)
    values[:LONG] = [begun[_cell(age)] for age in range(LONG)]
    for start in range(LONG, 2 * LONG, SHORT):
        stop = min(start + SHORT, 2 * LONG)
        values[start:stop] = values[start - LONG : stop - LONG] + values[start - SHORT : stop - SHORT]
    power = _power(STEPS)
    found = [0] * LONG
    for age in range(LONG):
        found[_cell(STEPS + age)] = int((power * values[age : age + LONG]).sum(dtype=np.uint64))
    return tuple(found)


def _cell(age: int) -> int:
    """Return where the state has a value by its place in time: cells are written downwards."""
    return (LONG - SHORT - 1 - age) % LONG


def _power(exponent: int) -> Words:
    """Return the unknown to a power, modulo x^607 - x^334 - 1, as coefficients, lowest first."""
    found: Words = np.array([1], np.uint64)
    for bit in bin(exponent)[2:]:
        found = _reduced(np.convolve(found, found))
        if bit == "1":
            found = _reduced(np.concatenate([np.zeros(1, np.uint64), found]))
    return found


def _reduced(terms: Words) -> Words:
    while len(terms) > LONG:
        high = terms[LONG:]
        terms = np.concatenate([terms[:LONG], np.zeros(max(0, len(high) - SHORT), np.uint64)])
        terms[: len(high)] += high
        terms[LONG - SHORT : LONG - SHORT + len(high)] += high
    return terms
