"""Write docs/components.md: what `make test-components` found, from the results that it leaves.

    python tools/components.py RESULTS.xml …

Of a test that is in several of them, the last one counts. Rows of components whose tests were not among the results
stay as they are, with the date of theirs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from testbed import versions  # noqa: E402  # of this checkout

FILE = ROOT / "docs" / "components.md"
_HEAD = """\
# What was really run

<!-- Written by make test-components. -->

The components that a [testbed](testbed.md) can do without, and what came of their tests, with real pods where there is
anything to run in pods: each row is of the last `make test-components` that had them. Argo Workflows, Kueue, Kubeflow
Trainer and JobSet are not among them: every change is tested with them.

| component | version | tests | seconds | on |
| --- | --- | --- | --- | --- |
"""
_ROW = re.compile(r"^\| (?P<component>[\w-]+) \| \d.*\|$", re.MULTILINE)


class Case(NamedTuple):
    """One test: the components that it needs, how it ended, how many seconds it took, and on which day."""

    components: tuple[str, ...]
    module: str
    name: str
    fate: str
    seconds: float
    day: str


def main() -> int:
    """Write the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what pytest --junit-xml wrote")
    found: dict[tuple[str, str], Case] = {}
    for file in parser.parse_args().results:
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):
            found |= {(case.module, case.name): case for case in cases(suite)}
    before = FILE.read_text("utf-8") if FILE.exists() else ""
    FILE.write_text(page(before, found.values()), "utf-8")
    return 0


def cases(suite: ElementTree.Element) -> Iterator[Case]:
    """Yield the tests of components, of a test suite in JUnit's form."""
    day = suite.attrib["timestamp"][:10]
    for each in suite.iter("testcase"):
        found = tuple(every.attrib["value"] for every in each.iter("property") if every.attrib["name"] == "component")
        faults = [fate for fate in ("failure", "error", "skipped") if each.find(fate) is not None]
        fate = faults[0] if faults else "passed"
        yield Case(found, each.get("classname", ""), each.attrib["name"], fate, float(each.attrib["time"]), day)


def page(before: str, found: Iterable[Case]) -> str:
    """Return the page with the rows of what was tested, and the others as they were."""
    rows = {row["component"]: row[0] for row in _ROW.finditer(before)}
    tested: dict[str, list[Case]] = {}
    for case in found:
        for component in case.components:
            tested.setdefault(component, []).append(case)
    for component, own in tested.items():
        fates = [f"{sum(case.fate == 'passed' for case in own)} passed"]
        fates += [f"**{case.fate}: {case.name}**" for case in own if case.fate != "passed"]
        seconds, day = sum(case.seconds for case in own), max(case.day for case in own)
        cells = (component, version(component), ", ".join(fates), f"{seconds:.0f}", day)
        rows[component] = f"| {' | '.join(cells)} |"
    return _HEAD + "".join(f"{rows[component]}\n" for component in sorted(rows))


def version(component: str) -> str:
    """Return the version of a component that is built from Go, or of a Python package that a tool's file pins."""
    if component in versions.names():
        return versions.component(component).version.removeprefix("v")
    pin = re.compile(rf"^{re.escape(component)}==(\S+)", re.MULTILINE)
    for file in sorted((versions.HERE / "tools").glob("*/requirements.txt")):
        if found := pin.search(file.read_text("utf-8")):
            return found[1]
    raise SystemExit(f"no file of the testbed pins {component}, which a test is marked with")


if __name__ == "__main__":
    sys.exit(main())
