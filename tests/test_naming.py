"""Names, run ids, digests and times."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.naming import (
    NAME_LENGTH_MAX,
    digest_bytes,
    digest_file,
    format_time,
    is_run_id,
    name_fault,
    new_run_id,
    newest_first,
    parse_time,
    run_id_of,
    utc_now,
)

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_a_new_run_id_is_one_and_tells_the_second(moment: datetime) -> None:
    run = new_run_id(moment)
    assert is_run_id(run)
    assert run.startswith(f"{moment:%Y%m%d-%H%M%S}-")
    assert not set("aeiou01ly") & set(run.rpartition("-")[2])


def test_a_run_id_tells_utc_wherever_it_is_made() -> None:
    moment = datetime(2026, 11, 23, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    assert new_run_id(moment).startswith("20261122-230000-")


@given(MOMENTS, MOMENTS)
def test_run_ids_sort_by_time_and_newest_first_reverses_it(one: datetime, other: datetime) -> None:
    first, second = new_run_id(min(one, other))[:15], new_run_id(max(one, other))[:15]
    assert first <= second
    assert newest_first(second) <= newest_first(first)
    assert newest_first(newest_first(first)) == first


def test_run_ids_of_one_second_differ() -> None:
    now = utc_now()
    assert len({new_run_id(now) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "text", ["", "latest", "20261123-141256", "20261123-141256-k3f9", "20261123-141256-K3F9X", "x20261123-141256-k3f9x", "20261123-141256-k3f9x\n", "٢٠261123-141256-k3f9x"]
)  # fmt: skip
def test_other_texts_are_no_run_ids(text: str) -> None:
    assert not is_run_id(text)


@pytest.mark.parametrize("name", ["fit", "Fit_2", "_private", "a-b", "x" * NAME_LENGTH_MAX])
def test_names_that_can_be(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", "2fit", "-a", "a b", "a/b", "a.b", "<lambda>", "größe", "fit\n"])
def test_names_that_cannot_be_are_shown(name: str) -> None:
    assert name_fault(name) == f"a name is letters, digits, '_' and '-', and begins with a letter or '_': got {name!r}"


def test_a_name_that_is_too_long_says_how_long_it_is() -> None:
    assert name_fault("x" * 64) == f"a name has at most 63 characters, {'x' * 64!r} has 64"


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_a_digest_is_that_of_the_joined_parts(parts: list[bytes]) -> None:
    assert digest_bytes(*parts) == hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_digest_of_a_file_is_that_of_what_is_left_of_it() -> None:
    file = io.BytesIO(b"ab" * 600_000)
    file.seek(2)
    assert digest_file(file) == hashlib.sha256(b"ab" * 599_999).hexdigest()


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 23, 14, 12, 56, 123_999, UTC), "2026-11-23T14:12:56.123Z"),
        (datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(moment: datetime, shown: str) -> None:
    assert format_time(moment) == shown


@given(MOMENTS)
def test_a_time_that_was_written_is_read_again_to_the_millisecond(moment: datetime) -> None:
    assert moment - parse_time(format_time(moment)) < timedelta(milliseconds=1)


@given(MOMENTS, st.text())
def test_one_origin_makes_one_run_at_one_moment(moment: datetime, origin: str) -> None:
    run = run_id_of(moment, origin)
    assert is_run_id(run)
    assert run == run_id_of(moment, origin)
    assert run != run_id_of(moment, origin + "x")
