"""Amounts as users write them: read, printed, refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.quantities import (
    format_bytes,
    format_cpu,
    human_bytes,
    human_duration,
    parse_bytes,
    parse_cpu,
    parse_duration,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("2", 2000), (2, 2000), (0.5, 500), ("0.5", 500), (".5", 500), ("500m", 500), ("1.5m", 2), ("0.1m", 1),
        ("0.0001", 1), (" 4 ", 4000), ("1e1", 10_000), (1e-05, 1), ("128", 128_000), ("2.", 2000),
    ],
)  # fmt: skip
def test_cores_are_read_as_thousandths_rounded_up(text: str | float, millis: int) -> None:
    assert parse_cpu(text) == millis


@pytest.mark.parametrize(
    "text",
    ["", "m", "-1", "0", "0m", 0, -0.5, "two", "1M", "nan", "inf", float("inf"), True, "1_000", "٣", "1e999999", "--1"],
)
def test_what_is_no_number_of_cores_is_refused(text: Any) -> None:
    with pytest.raises(
        ValueError, match="^" + re.escape(f"{text!r} is no CPU quantity: write cores (2, 0.5) or millicores")
    ):
        parse_cpu(text)


@given(st.integers(1, 10**9))
def test_printed_cores_are_read_as_the_same(millis: int) -> None:
    assert parse_cpu(format_cpu(millis)) == millis


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1.5Gi", 1_610_612_736), ("4Gi", 4 * 2**30), ("1k", 1000), ("1Ki", 1024), (512, 512), ("128974848", 128_974_848),
        ("129M", 129_000_000), (".5Mi", 2**19), ("0.1", 1), ("2Ei", 2 * 2**60), ("1P", 10**15), ("1.1Ki", 1127), (" 1Gi ", 2**30),
    ],
)  # fmt: skip
def test_bytes_are_read_and_rounded_up(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "Gi", "4GB", "4gi", "4 Gi", "-1Gi", "1.2.3", "four", "1Kii", True, None, "٣Gi", "1_0"]
)
def test_what_is_no_size_is_refused_with_the_suffixes(text: Any) -> None:
    with pytest.raises(ValueError, match="is no byte quantity: write a number and one of Ki, Mi, Gi"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "0Gi", 0])
def test_a_size_of_nothing_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="it must be above zero"):
        parse_bytes(text)


@given(st.integers(1, 2**62) | st.builds(lambda n, p: n * 1024**p, st.integers(1, 1000), st.integers(0, 5)))
def test_printed_bytes_are_read_as_the_same(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("500ms", 0.5), ("1.5h", 5400),
        (3, 3), (0.25, 0.25), ("1m30s", 90), (" 2h ", 7200),
    ],
)  # fmt: skip
def test_durations_are_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "0s",
        0,
        -1,
        "-5s",
        "90",
        "1h 30m",
        "1x",
        "2hours",
        True,
        float("nan"),
        float("inf"),
        "9" * 400 + "s",
        None,
    ],
)
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'$"):
        parse_duration(text)


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_a_duration_is_the_sum_of_its_spans(days: int, hours: int, minutes: int, seconds: int) -> None:
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (2**20 - 1, "1.0 MiB"), (2**30, "1.0 GiB"),
        (2**50, "1024.0 TiB"),
    ],
)  # fmt: skip
def test_sizes_are_shown_for_reading(size: int, shown: str) -> None:
    assert human_bytes(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"), (0.0042, "4 ms"), (0.9999, "1.0 s"), (1, "1.0 s"), (59.94, "59.9 s"), (59.99, "0m 59s"), (60, "1m 0s"),
        (3599.9, "59m 59s"), (3725, "1h 2m"), (90000, "25h 0m"),
    ],
)  # fmt: skip
def test_durations_are_shown_for_reading(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("100m", "0.1"),
        ("2", "2"),
        ("1Gi", "1073741824"),
        ("1e3", "1000"),
        ("1E", "1e18"),
        ("250u", "0.00025"),
    ],
)
def test_any_quantity_that_a_cluster_writes_is_read(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity(text)
