"""Taking secrets out of objects and logs before they are kept: what may be one is gone, whatever it is called.

Values of environment variables, what Secrets and ConfigMaps hold, the annotation that repeats a whole object, and in
any text what looks like a key or a password. Names stay, since answers need them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

GONE = "[redacted]"
_LEFT_OUT = ("kubectl.kubernetes.io/last-applied-configuration", "workflows.argoproj.io/pod-spec", "managedFields")
_HOLDERS = ("Secret", "ConfigMap")
_PATTERNS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),  # a JSON Web Token
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|hf_|glpat-|xox[abprs]-|sk-)[\w-]{16,}"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # user and password of an address
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{12,}"),
)
_NAMED = re.compile(
    r"""(?ix)
    (?P<name>[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w.-]*["']?
    \s*[=:]\s*)
    (?P<value>"[^"\n]*"|'[^'\n]*'|[^\s"',;&}]{4,})
    """
)

_HINTS = re.compile(
    r"pass|secret|token|key|credential|private|eyJ|akia|asia|gh[pousr]_|github_|hf_|glpat-|xox|sk-|://|bearer", re.I
)
"""What any text has that anything is taken out of: most have none of it, and are not looked at further."""


def redacted_object(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without its secrets, or a list of them."""
    found: dict[str, Any] = {name: _redacted(each, name) for name, each in value.items() if name not in _LEFT_OUT}
    if value.get("kind") in _HOLDERS:
        for name in ("data", "stringData", "binaryData"):
            held = value.get(name)
            if held is not None:
                found[name] = dict.fromkeys(held, GONE) if isinstance(held, Mapping) else GONE
    return found


def redacted_text(text: str) -> str:
    """Return a text without what looks like a secret."""
    return _without_secrets(text) if _HINTS.search(text) else text


def _without_secrets(text: str) -> str:
    for pattern in _PATTERNS:
        text = pattern.sub(GONE, text)
    return _NAMED.sub(lambda found: f"{found['name']}{GONE}", text)


def _redacted(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, list):
        into: Callable[[Any], Any] = _variable if key == "env" else lambda each: _redacted(each, "")
        return [into(each) for each in value]
    return redacted_object(value) if isinstance(value, Mapping) else value


def _variable(value: Any) -> Any:
    """Return an environment variable by its name alone, or by where its value comes from."""
    if not isinstance(value, Mapping):
        return GONE
    return {name: GONE if name == "value" else _redacted(each, name) for name, each in value.items()}
