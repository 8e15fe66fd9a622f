"""The page of what was really run with components: rows follow from results, and others stay as they were."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from testbed import versions

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "components.py"))
RESULTS = """
<testsuite timestamp="2026-02-03T10:00:00">
  <testcase name="test_a" time="10.4"><properties><property name="component" value="tekton"/></properties></testcase>
  <testcase name="test_b" time="3"><properties><property name="component" value="tekton"/></properties><failure/></testcase>
  <testcase name="test_c" time="5"><properties><property name="component" value="ray"/></properties></testcase>
  <testcase name="test_of_nothing" time="5"/>
</testsuite>
"""


def test_rows_follow_from_results_and_others_keep_their_date() -> None:
    rows = "| kwok | 0.1 | 2 passed | 7 | 2026-01-02 |\n| tekton | 0.1 | 9 passed | 7 | 2026-01-02 |\n"
    found = TOOL["page"](TOOL["_HEAD"] + rows, TOOL["cases"](ElementTree.fromstring(RESULTS)))
    tekton = versions.component("tekton").version.removeprefix("v")
    assert found.removeprefix(TOOL["_HEAD"]).splitlines() == [
        "| kwok | 0.1 | 2 passed | 7 | 2026-01-02 |",
        f"| ray | {TOOL['version']('ray')} | 1 passed | 5 | 2026-02-03 |",
        f"| tekton | {tekton} | 1 passed, **failure: test_b** | 13 | 2026-02-03 |",
    ]


def test_a_component_that_nothing_pins_is_named() -> None:
    with pytest.raises(SystemExit, match="pins nonsense"):
        TOOL["version"]("nonsense")
