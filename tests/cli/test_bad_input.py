"""Bad input: one message that says what, where, why and what next; the exit code; and nothing else on stdout."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fairlead.cli.main import call

HEAD = """
from typing import Any
import fairlead
from fairlead import flow, runtimes, space, step, sweep
"""
GOOD = f"""{HEAD}
@step
def double(x: int) -> int:
    return 2 * x

@step
def text(x: int) -> str:
    return str(x)

@flow
def good(rows: int = 3, rate: float = 0.5, deep: bool = False):
    return double(rows)
"""


class Case(NamedTuple):
    """A command line in a folder with files, and what must be said."""

    name: str
    arguments: str
    said: tuple[str, ...]
    code: int = 2
    flow: str = GOOD


def body(text: str, steps: str = "") -> str:
    """Return a file whose flow has a body."""
    return f"{GOOD}\n{textwrap.dedent(steps)}\n@flow\ndef bad():\n{textwrap.indent(textwrap.dedent(text), '    ')}\n"


def run(name: str, text: str, *said: str, steps: str = "", code: int = 2, options: str = "-q") -> Case:
    """Return the case of a flow that can't run."""
    return Case(name, f"run flow.py:bad {options}", said, code, body(text, steps))


CASES = [
    # what is given
    Case("unknown parameter", "run flow.py --rwos 5", ("flow 'good' has no parameter 'rwos'", "flow.py:", "did you mean 'rows'")),
    Case("unknown option", "run flow.py --inlien", ("has no parameter 'inlien'", "did you mean '--inline'? known: deep, rate, rows")),
    Case("wrong type", "run flow.py --rows many", ("flow 'good' can't take --rows many", "flow.py:", "rows must be int, got 'many'", "--rows 12")),
    Case("no value", "run flow.py --rows", ("flow 'good' can't take --rows", "and no value was given", "--rows 12")),
    Case("missing parameter", "run flow.py", ("flow 'f' needs the parameter 'rows' (int)", "flow.py:", "give --rows VALUE"),
         flow=f"{HEAD}\n@flow\ndef f(rows: int): ...\n"),
    Case("missing file", "run flwo.py", ("cannot import flwo.py", "flwo.py", "there is no such file", "did you mean 'flow.py'")),
    Case("folder", "run .", ("cannot import", "it is a folder", "did you mean 'flow.py'")),
    Case("no flow in it", "run flow.py", ("flow.py has no flow", "decorate a function with @flow"), flow=HEAD),
    Case("several flows", "run flow.py", ("flow.py has 2 flows: good, bad", "fairlead run flow.py:good"), flow=body("return 1")),
    Case("unknown flow", "run flow.py:godo", ("flow.py has no flow, step or sweep 'godo'", "did you mean 'good'")),
    Case("no file", "run", ("the following arguments are required: FILE[:FLOW]", "fairlead run --help")),
    Case("two files", "run flow.py other.py", ("unrecognized arguments: other.py", "fairlead run --help")),
    Case("unknown context", "run flow.py --on prod", ("there is no context 'prod'", "none was added yet", "fairlead context add NAME --store s3://…")),
    Case("detach", "run flow.py --detach", ("--detach needs a cluster", "next")),
    Case("bad label", "run flow.py --label team", ("team", "KEY=VALUE")),
    Case("bad number", "run flow.py --parallel few", ("argument --parallel: invalid int value: 'few'", "fairlead run --help")),
    Case("short option", "run flow.py -x", ("fairlead run has no option '-x'", "fairlead run --help")),
    Case("unknown command", "rnu flow.py", ("there is no command 'rnu'", "did you mean 'run'", "fairlead --help")),
    Case("unknown option of a command", "ps --al", ("fairlead ps: unrecognized arguments: --al", "fairlead ps --help")),
    Case("unknown form", "ps -o xml", ("argument -o/--output: invalid choice: 'xml'", "table", "fairlead ps --help")),
    Case("unknown run", "get 20260101-000000-zzzzz", ("20260101-000000-zzzzz", "fairlead ps"), 4),
    Case("unknown run of logs", "logs 20260101-000000-zzzzz", ("20260101-000000-zzzzz", "fairlead ps"), 4),
    Case("unknown run to resume", "resume 20260101-000000-zzzzz", ("20260101-000000-zzzzz", "fairlead ps"), 4),
    Case("latest of no runs", "get latest", ("run",), 4),
    # the user's file
    Case("syntax error", "run flow.py", ("cannot import flow.py", "flow.py:2", "SyntaxError", "def f(:", "correct the line"), flow="\ndef f(:\n"),
    Case("exception at import", "run flow.py", ("cannot import flow.py", "flow.py:2", "ZeroDivisionError: division by zero", "1 / 0", "correct it"),
         flow="\n1 / 0\n"),
    Case("exit at import", "run flow.py", ("it ends the process while it is imported (exit 3)", 'if __name__ == "__main__"'), flow="import sys\nsys.exit(3)\n"),
    Case("missing module", "run flow.py", ("there is no module 'skleran'", "flow.py:1", "pip install skleran"), flow="import skleran\n"),
    Case("unknown runtime", "run flow.py", ("there is no runtime 'torhc'; did you mean 'torch'?", "flow.py:"),
         flow=f"{HEAD}\n@step(runtime=runtimes.torhc())\ndef f(): ...\n"),
    Case("reserved parameter", "run flow.py", ("flow 'f' is not valid", "inline: is an option of fairlead run; rename the parameter", "flow.py:"),
         flow=f"{HEAD}\n@flow\ndef f(inline: int = 1): ...\n"),
    Case("bad options", "run flow.py", (
        "step 'f' is not valid", "cpus: there is no such option; did you mean 'cpu'", "cache: must be 'exact' or 'off' or 'on', got 'of'; did you mean 'off'",
        "flow.py:",
    ), flow=f"{HEAD}\n@step(cpus=2, cache='of')\ndef f(): ...\n"),
    Case("unknown accelerator", "run flow.py", ("step 'f' is not valid", "resources.gpus: unknown accelerator 'A1000'; did you mean 'A10", "next   edit"),
         flow=f"{HEAD}\n@step(gpus='A1000:1')\ndef f(): ...\n"),
    Case("step inside a function", "run flow.py", ("step 'f' is not valid", "is defined inside make()", "move it to the top level"),
         flow=f"{HEAD}\ndef make():\n    @step\n    def f(): ...\nmake()\n"),
    # the flow's body
    run("future as a value", "if double(1) > 3:\n    pass", "a condition has no value yet", "flow.py:", "if double(1) > 3:", "when="),
    run("future in a text", "f'{double(1)}'", "<future of double: int> has no value yet", "a text or f-string needs the value now", "inside a step"),
    run("exception in the body", "return [][1]", "flow 'bad' can't be traced", "flow.py:", "return [][1]", "IndexError: list index out of range"),
    run("wrong type between steps", "return double(text(1))", "flow 'bad' is not valid", "double(x=…): takes int, got <future of text: str>", "flow.py:", "mend the call"),
    run("wrong call", "return double(1, 2)", "step 'double' can't be called like this: too many positional arguments", "double(x: int) -> int"),
    run("two functions of one name", "return other(1), double(2)", "two different functions have the name 'double'", "flow.py:", "@step(name='double_2')",
        steps="@step(name='double')\ndef other(x: int) -> int:\n    return x"),
    run("low above high", "return sweep(double, over={'x': space.integers(5, 1)}, maximize='a')()", "sweep 'sweep-double' is not valid",
        "space.x: low must not be above high, got low=5, high=1", "flow.py:"),
    run("unknown sampler", "return sweep(double, over={'x': [1]}, maximize='a', sampler='tpee')()", "unknown sampler 'tpee'; did you mean 'tpe'?"),
    # the machine
    run("too many cores", "return double.options(cpu=10000)(1)", "flow 'bad' can't run here", "step double: asks for 10000 CPU, this machine has", "step.options(…)", options=""),
    run("too much memory", "return double.options(memory='900Ti')(1)", "flow 'bad' can't run here", "memory", "900", "step.options(…)", options=""),
    run("no such device", "return double.options(gpus='H100:64')(1)", "flow 'bad' can't run here", "H100", "step.options(…)", options=""),
    # the work itself: exit code 1
    run("wrong result", "return wrong()", "step wrong/0 failed: step 'wrong' returns int by its annotation, got str: 'x'", "next   return that, or change the annotation, then:", "fairlead logs", "fairlead resume",
        steps="@step\ndef wrong() -> int:\n    return 'x'", code=1),
    run("wrong number of results", "return wrong()", "returns 2 values by its annotation, got 3 values",
        steps="@step\ndef wrong() -> tuple[int, int]:\n    return 1, 2, 3", code=1),
    run("lambda", "return wrong()", "step wrong/0 failed: a value of type builtins.function can't be stored", "  why    ", "then: fairlead resume", steps="@step\ndef wrong():\n    return lambda: 1", code=1),
    run("open file", "return wrong()", "step wrong/0 failed: a value of type _io.TextIOWrapper can't be stored", "fairlead logs", steps="@step\ndef wrong():\n    return open(__file__)", code=1),
    run("lock", "return wrong()", "step wrong/0 failed", "lock", "fairlead logs", steps="import threading\n@step\ndef wrong():\n    return threading.Lock()", code=1),
    run("map over no list", "return double.map(wrong())", "step wrong/0 failed", "returned int, which the next step maps over; it must be a list",
        steps="@step\ndef wrong():\n    return 3", code=1),
    run("missing field of a condition", "return double(1, when=wrong()['score'] > 1)", "has no ['score'] in its result, which a condition reads",
        steps="@step\ndef wrong():\n    return {}", code=1),
    run("condition that compares what has no order", "return double(1, when=wrong() > 1)", "its condition can't be evaluated: 'x' and 1 have no order",
        steps="@step\ndef wrong():\n    return 'x'", code=1),
    run("exception in a step", "return wrong(1)", "step wrong/0 failed: ValueError: no such row", "flow.py:", "raise ValueError", "fairlead logs", "fairlead resume",
        steps="@step\ndef wrong(x):\n    raise ValueError('no such row')", code=1),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, with a home of its own; modules that are imported from it are forgotten."""
    for name in ("FAIRLEAD_STORE", "FAIRLEAD_INDEX", "FAIRLEAD_PARALLEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "")  # restored after the test: --on sets it
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("case", CASES, ids=[each.name for each in CASES])
def test_a_message_says_what_where_why_and_what_next(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flow.py").write_text(case.flow, "utf-8")
    code = call(case.arguments.split())
    out, err = capsys.readouterr()
    print(f"--- {case.name}: fairlead {case.arguments}\n{err.replace(str(folder), '…')}")
    assert code == case.code, err
    assert [each for each in case.said if each not in err] == []
    assert "Traceback" not in err
    message = err[err.index("error: ") :] if "error: " in err else err
    if case.code != 1:
        assert err.startswith("error: ")
        assert out == ""
        assert len(message.splitlines()) <= 10
    assert "  next   " in message or "next" in message
    assert "is not valid is not valid" not in err
    assert "here is not valid" not in err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_document_is_on_stdout_after_a_failure_and_nothing_else(
    form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = "@step\ndef wrong(x):\n    print('from the step')\n    raise ValueError('no such row')"
    (folder / "flow.py").write_text(body("return double(wrong(1))", steps), "utf-8")
    assert call(["run", "flow.py:bad", "-o", form]) == 1
    out, err = capsys.readouterr()
    if form == "json":
        document = json.loads(out)
        assert (document["status"], [each["status"] for each in document["steps"]]) == ("failed", ["failed", "blocked"])
        assert document["steps"][0]["attempts"][0]["error"]["message"] == "no such row"
    else:
        assert out.startswith("run: ")
        assert "from the step" not in out
    assert "step wrong/0 failed: ValueError: no such row" in err


def test_a_wrong_use_leaves_nothing_on_stdout_with_a_form_either(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flow.py").write_text(GOOD, "utf-8")
    assert call(["run", "flow.py", "--rows", "x", "-o", "json"]) == 2
    assert capsys.readouterr().out == ""
    assert not (folder.parent / "home" / "runs").exists()
