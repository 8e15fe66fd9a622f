"""The small gates of ``make check``: sizes, portability, and the lock."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def tool(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / f"{name}.py"))


def test_a_long_function_and_a_long_module_are_named_with_their_lines() -> None:
    text = "\n".join(["def short():", "    pass", "", "def long():", *["    pass"] * 5])

    found = list(tool("sizes")["too_long"]("a.py", text, module_lines=8, function_lines=4))

    assert [(each.key, each.lines, each.limit) for each in found] == [("a.py", 9, 8), ("a.py:long", 6, 4)]


@pytest.mark.parametrize(
    "line",
    ["see https://" + "pypi" + ".org/project/x", "registry." + "npmjs" + ".org", "GOPROXY=" + "proxy.golang" + ".org"],
)
def test_a_registry_is_found(line: str) -> None:
    assert len(tool("portable")["faults"]("a.txt", line)) == 1


@pytest.mark.parametrize("line", ["cd /" + "home/ada/x", "/" + "root/.cache/y", '"/' + 'Users/ada/z"'])
def test_a_path_of_a_machine_is_found(line: str) -> None:
    assert len(tool("portable")["faults"]("a.txt", f"first\n{line}")) == 1


@pytest.mark.parametrize("line", ["/home/USER/x", "docs/root/x", "https://example.com/home/page", "~/work/x", "/tmp/x"])
def test_what_is_no_machines_path_is_not_found(line: str) -> None:
    assert tool("portable")["faults"]("a.txt", line) == []


def test_a_package_that_only_some_versions_of_python_need_gets_a_marker() -> None:
    resolved = {"3.11": {"a": "1", "b": "1", "c": "1"}, "3.12": {"a": "1", "b": "2"}, "3.13": {"a": "1", "b": "2"}}

    assert tool("lock")["merge"](resolved) == [
        "a==1",
        'b==1 ; python_version == "3.11"',
        'b==2 ; python_version == "3.12" or python_version == "3.13"',
        'c==1 ; python_version == "3.11"',
    ]


def test_the_versions_of_the_demo_are_those_of_development() -> None:
    demo, dev = (
        set((ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()[1:]) for name in ("demo", "dev")
    )

    assert demo <= dev
