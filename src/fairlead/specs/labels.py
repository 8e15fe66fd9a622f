"""Kubernetes labels: what can be a key, and what a value.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.errors import Fault

_PREFIX = re.compile(r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)


def label_faults(labels: dict[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with labels, with paths."""
    for key, value in labels.items():
        prefix = _PREFIX.match(key)
        if not _NAME.fullmatch(key[prefix.end() if prefix else 0 :]):
            yield Fault(f"labels.{key}", "is no Kubernetes label key")
        if value and not _NAME.fullmatch(value):
            yield Fault(
                f"labels.{key}", f"{value!r} is no Kubernetes label value: at most 63 of letters, digits, '-', '_', '.'"
            )
