"""Which devices selectors choose, as far as that can be told without CEL: comparisons of attributes, joined by ``&&``.

Source: https://kubernetes.io/docs/reference/using-api/cel/ and the field `selectors` of
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.snapshots.parts import Part

_TEXT = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_DRIVER = re.compile(rf"device\.driver\s*==\s*(?P<value>{_TEXT})")
_ATTRIBUTE = re.compile(
    rf"device\.attributes\[(?P<domain>{_TEXT})\]\.(?P<name>\w+)\s*"
    rf"(?:==\s*(?P<value>{_TEXT}|true|false|\d+)|in\s*\[(?P<values>[^\[\]]*)\])"
)


def chosen(expressions: Iterable[str], driver: str, device: Part) -> bool | None:
    """Say whether a device is chosen by all expressions; None where that can't be told.

    Args:
        expressions: The expressions, in CEL.
        driver: The driver of the device.
        device: The device, as its ResourceSlice has it.
    """
    found = [_holds(each.strip(), driver, device) for whole in expressions for each in whole.split("&&")]
    return False if False in found else None if None in found else True


def _holds(expression: str, driver: str, device: Part) -> bool | None:
    if of_driver := _DRIVER.fullmatch(expression):
        return bool(of_driver["value"][1:-1] == driver)
    said = _ATTRIBUTE.fullmatch(expression)
    if said is None:
        return None
    has = _attribute(said["domain"][1:-1], said["name"], driver, device)
    wanted = [said["value"]] if said["value"] else re.findall(rf"{_TEXT}|true|false|\d+", said["values"])
    return None if has is None else has in wanted or has.replace("'", '"') in wanted


def _attribute(domain: str, name: str, driver: str, device: Part) -> str | None:
    """Return an attribute as CEL writes it; None where the device has none such, or it is no plain value."""
    attributes = device.mapping("attributes") or device.mapping("basic.attributes")
    found: Any = attributes.get(f"{domain}/{name}")
    if found is None and domain == driver:
        found = attributes.get(name)
    return _written(found) if isinstance(found, dict) else None


def _written(attribute: Mapping[str, Any]) -> str | None:
    match attribute:
        case {"string": str(text)}:
            return f"'{text}'"
        case {"bool": bool(value)}:
            return "true" if value else "false"
        case {"int": int(number)}:
            return str(number)
    return None
