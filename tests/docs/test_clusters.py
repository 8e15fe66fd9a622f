"""The Roles of the documentation are those that the engine needs, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from docs.pages import FOLDER
from fairlead.engines.kubernetes import rights
from fairlead.kube.access import smallest_role
from fairlead.kube.failures import Rule
from fairlead.specs.documents import parse

TEXT = (FOLDER / "clusters.md").read_text("utf-8") + (FOLDER / "recorder.md").read_text("utf-8")
ROLES: list[dict[str, Any]] = [
    parse(block, source="clusters.md") for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
]


@pytest.mark.parametrize(
    ("role", "rules"),
    [
        ("fairlead-user", rights.SUBMITTING),
        ("fairlead-inside", rights.ENTERING),
        ("fairlead-worker", rights.RUNNING),
        ("fairlead-scheduler", rights.SCHEDULING),
        ("fairlead-driver", (*rights.DRIVING, *rights.TELLING_QUEUES)),
        ("fairlead-recorder", rights.RECORDING),
    ],
)
def test_a_role_gives_what_is_needed(role: str, rules: tuple[Rule, ...]) -> None:
    found = next(each for each in ROLES if each["metadata"]["name"] == role)
    assert found == smallest_role(role, "team-a", rules)
