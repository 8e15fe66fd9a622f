"""Amounts as users write them: CPU cores, bytes and durations.

The notation of CPU and bytes is that of Kubernetes resource quantities.
Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_SUFFIXES = _BINARY | _DECIMAL
_FRACTIONS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("0.001")}
_QUANTITY = re.compile(r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][-+]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i|)", re.ASCII)
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([A-Za-z]*)", re.ASCII)
_CORES = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)((?:[eE][-+]?[0-9]{1,2})?|m)", re.ASCII)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_cpu(value: str | int | float) -> int:
    """Return CPU cores as thousandths of a core, rounded up: ``"500m"`` and ``0.5`` give 500.

    Raises:
        ValueError: The value is no positive CPU quantity.
    """
    found = _CORES.fullmatch(str(value).strip())
    milli = Decimal(0)
    if found is not None:
        milli = Decimal(found[1]) if found[2] == "m" else Decimal(found[0]) * 1000
    if milli <= 0:
        raise ValueError(f"{value!r} is no CPU quantity: write cores (2, 0.5) or millicores ('500m')")
    return int(milli.to_integral_value(ROUND_CEILING))


def format_cpu(millis: int) -> str:
    """Write thousandths of a core as Kubernetes does: ``2000`` gives ``"2"``, ``500`` ``"500m"``."""
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def parse_bytes(value: str | int) -> int:
    """Return a memory or disk quantity in bytes, rounded up: ``"1.5Gi"`` gives 1610612736.

    Raises:
        ValueError: The value is no positive byte quantity.
    """
    found = _AMOUNT.fullmatch(str(value).strip())
    factor = _SUFFIXES.get(found[2]) if found else None
    if found is None or factor is None:
        hint = ", ".join(suffix for suffix in _SUFFIXES if suffix)
        raise ValueError(f"{value!r} is no byte quantity: write a number and one of {hint}")
    size = int((Decimal(found[1]) * factor).to_integral_value(ROUND_CEILING))
    if size <= 0:
        raise ValueError(f"{value!r} is no byte quantity: it must be above zero")
    return size


def format_bytes(size_bytes: int) -> str:
    """Write bytes exactly, with the largest binary suffix that divides them."""
    for suffix, factor in reversed(_BINARY.items()):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{suffix}"
    return str(size_bytes)


def parse_quantity(value: str | int | float) -> Decimal:
    """Return any quantity that a cluster writes, zero too: ``"100m"`` gives 0.1, ``"1Gi"`` 1073741824.

    Raises:
        ValueError: It is none.
    """
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{value!r} is no quantity of Kubernetes")
    number, suffix = Decimal(found[1]), found[2]
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return number.scaleb(int(suffix[1:]))
    return number * (_FRACTIONS.get(suffix) or _SUFFIXES[suffix])


def human_bytes(size_bytes: float) -> str:
    """Write bytes for reading, rounded: ``1536`` gives ``"1.5 KiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(size_bytes, 1) < 1024 or unit == "TiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


def parse_duration(value: str | int | float) -> float:
    """Return a duration in seconds: ``"1h30m"``, ``"90s"``, ``"500ms"`` or a number of seconds.

    Raises:
        ValueError: The value is no positive duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value).strip()
        spans = _SPAN.findall(text)
        matched = "".join(number + unit for number, unit in spans) == text and text
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in spans) if matched else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{value!r} is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'")
    return seconds


def human_duration(seconds: float) -> str:
    """Write a duration for reading: ``0.0042`` gives ``"4 ms"``, ``3725`` ``"1h 2m"``."""
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m {int(seconds % 60)}s"
    return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60)}m"


def human_number(value: float | None) -> str:
    """Write a metric for reading: four significant digits, ``-`` for what was no finite number."""
    return "-" if value is None else f"{value:.4g}"
