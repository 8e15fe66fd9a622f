"""What the testbed is made of: pins that agree, and keys that change with what they stand for."""

from __future__ import annotations

import re

import pytest

from testbed import versions


@pytest.mark.parametrize("name", versions.names())
def test_the_module_pins_the_version_and_the_programs_that_the_table_names(name: str) -> None:
    component = versions.component(name)
    module = (component.tool / "go.mod").read_text("utf-8")

    assert re.search(rf"^(require |\t){re.escape(component.module)} {re.escape(component.version)}\b", module, re.M)
    assert all(f"{package}\n" in module for package in component.programs.values())
    assert f"{component.module} {component.version} h1:" in (component.tool / "go.sum").read_text("utf-8")


def test_a_key_begins_with_the_version_and_changes_with_all_that_is_built() -> None:
    component = versions.component("argo")

    others = [
        component._replace(stamps=["a.b=c"]),
        component._replace(programs={"argoexec": "elsewhere"}),
        component._replace(mends=None),
        component._replace(crds=""),
        component._replace(name="etcd"),  # other dependencies: another go.mod
    ]

    assert component.key.startswith("v3.7.18-")
    assert len({component.key, *(each.key for each in others)}) == 6


def test_a_digest_tells_parts_apart_that_only_together_are_the_same() -> None:
    assert versions.digest([b"ab", b"c"]) != versions.digest([b"a", b"bc"])
