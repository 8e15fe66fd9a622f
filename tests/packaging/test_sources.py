"""What of the source counts in a step's cache key, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workplace

STUB = """
class Step:
    def __init__(self, function):
        self.function = function

def step(function=None, **options):
    return Step(function) if function else Step

flow = step
"""

FLOW = '''\
"""The flow's own text."""
import math
import helpers
from stub import step, flow

RATE = 0.5
LAYERS = {"b": [1, 2.0], "a": None}


def second(x):
    return x * RATE


def first(x):
    return second(x)


@step
def other(x):
    return x


@step(cpu=2)
def work(x: int) -> float:
    """What it does."""
    return first(x) + math.pi


@step
def lazily(x):
    from lib.deep import go
    return go(x)


@flow
def main():
    return work(other(1))
'''


@pytest.fixture
def flow(workplace: Workplace) -> Workplace:
    workplace.put("pyproject.toml")
    workplace.write(flow=FLOW, stub=STUB, helpers="import lib.unused\nX = 1\n", lib__unused="")
    workplace.put("lib/__init__.py")
    workplace.write(lib__deep="from .deeper import go\n", lib__deeper="def go(x):\n    return x\n")
    return workplace


def test_the_parts_have_names(flow: Workplace) -> None:
    assert list(flow.run("result = parts()")) == [
        "function", "global:flow.RATE", "name:flow.first", "name:flow.second",
    ]  # fmt: skip
    assert list(flow.run("result = parts('main')")) == [
        "function", "global:flow.RATE", "name:flow.first", "name:flow.other", "name:flow.second", "name:flow.work",
    ]  # fmt: skip


def test_comments_formatting_docstrings_and_lines_do_not_count(flow: Workplace) -> None:
    edits = (
        ("flow.py", "return second(x)", "# why\n\n    return (  second( x ) )"),
        ("flow.py", '"""What it does."""', '"""What it does now."""'),
        ("flow.py", '"b"', "'b'"),
        ("flow.py", "import math", "\n\nimport math"),
    )
    for edit in edits:
        assert flow.changed(edit) == set(), edit


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("flow.py", "return x\n", "return x + 1\n"), set()),  # an unrelated step
        (("flow.py", "cpu=2", "cpu=4, retries=3"), set()),
        (("flow.py", "@step(cpu=2)", "@step"), set()),
        (("helpers.py", "X = 1", "X = 2"), set()),  # imported by the module, not used by the function
        (("flow.py", "return x * RATE", "return x / RATE"), {"name:flow.second"}),
        (("flow.py", "RATE = 0.5", "RATE = 0.25"), {"global:flow.RATE"}),
        (("flow.py", "+ math.pi", "- math.pi"), {"function"}),
        (("flow.py", "x: int", "x: float"), {"function"}),
        (("flow.py", "RATE = 0.5", "RATE = 1 / 2"), set()),  # by content
        (("flow.py", "return second(x)", "return len(x)"), {"name:flow.first", "name:flow.second", "global:flow.RATE"}),
    ],
)
def test_an_edit_changes_the_parts_that_it_touches(
    flow: Workplace, edit: tuple[str, str, str], expected: set[str]
) -> None:
    assert flow.changed(edit) == expected


def test_a_module_imported_inside_the_function_counts_with_what_it_imports(flow: Workplace) -> None:
    assert flow.changed(("lib/deeper.py", "return x", "return -x"), name="lazily") == {"module:lib.deeper"}
    assert flow.changed(("lib/deep.py", "import go", "import go  # text"), name="lazily") == set()
    flow.put("lib/__init__.py", "Y = 1")
    assert flow.changed(("lib/__init__.py", "1", "2"), name="lazily") == {"module:lib"}
    assert flow.changed(("lib/unused.py", "", "Z = 1"), name="lazily") == set()


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ("import lib.deep\n", {"module:lib", "module:lib.deep", "module:lib.deeper"}),
        ("import lib.deeper as d\n", {"module:lib", "module:lib.deeper"}),
        ("from lib import deeper\n", {"module:lib", "module:lib.deeper"}),
        ("from lib import *\n", {"module:lib", "module:lib.starred"}),
        ("import lib\nlib.deeper\n", {"module:lib", "module:lib.deeper"}),
        ("import importlib\nimportlib.import_module('lib.deeper')\n", {"module:lib", "module:lib.deeper"}),
        ("import spaces.inner.leaf\n", {"module:spaces.inner.leaf"}),
        ("from spaces import inner\nfrom spaces.inner import leaf", {"module:spaces.inner.leaf"}),
        ("import one\n", {"module:one", "module:two"}),
        ("import numpy, os.path\n", set()),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import one\nelse:\n    import spaces.inner.leaf",
         {"module:spaces.inner.leaf"}),
        ("import broken\n", {"module:broken"}),
    ],
)  # fmt: skip
def test_every_form_of_import_is_followed(workplace: Workplace, used: str, expected: set[str]) -> None:
    workplace.write(lib__deep="from . import deeper", lib__deeper="", lib__starred="", spaces__inner__leaf="")
    workplace.write(one="import two", two="import one", broken="not python")
    workplace.put("lib/__init__.py", "__all__ = ['starred']")
    body = "".join(f"    {line}\n" for line in used.splitlines() if "*" not in line)
    top = "".join(f"{line}\n" for line in used.splitlines() if "*" in line)
    workplace.write(flow=f"{top}def work():\n    {'starred' if top else 'pass'}\n{body}")
    assert {part for part in workplace.run("result = parts()") if part.startswith("module:")} == expected


def test_imports_for_type_checkers_at_the_top_do_not_count(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from helpers import Model
        def work(x: Model) -> Model:
            return x
        """,
        helpers="X = 1",
    )
    assert workplace.changed(("helpers.py", "1", "2")) == set()
    assert workplace.run("result = list(import_closure(find_project(Path('flow.py'))))") == ["flow.py"]


def test_a_package_that_imports_the_flow_back_counts_by_names(workplace: Workplace) -> None:
    workplace.put("pkg/__init__.py", "from .flow import work, unrelated")
    workplace.put(
        "pkg/flow.py", "from . import helpers\nBASE = 1\ndef unrelated(): return 1\ndef work(): return helpers.go()"
    )
    workplace.put("pkg/helpers.py", "def go():\n    from .flow import BASE\n    return BASE")
    parts = workplace.run("result = parts(file='pkg/flow.py')")
    assert list(parts) == ["function", "global:pkg.flow.BASE", "module:pkg.helpers"]
    edit = ("pkg/flow.py", "return 1", "return 2")
    assert workplace.changed(edit, file="pkg/flow.py") == set()


def test_a_local_name_is_not_the_modules(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        def train(): return 1
        def test(): return 1
        def item(): return 1
        def work(item, *rest, **more):
            train, (test, *rest) = 1, [2, 3]
            return [item for item in rest if (train, test)]
        """
    )
    assert list(workplace.run("result = parts()")) == ["function"]


def test_classes_decorators_and_callables_made_at_the_top_are_followed(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        import functools, threading
        def timed(function): return lambda *a: function(*a) + log(1)
        def log(x): return x
        class Base:
            def run(self): return deep()
        class Model(Base): pass
        def deep(): return 1
        def add(x, y): return x + y
        add_one = functools.partial(add, 1)
        scale = lambda x: log(x)
        def make(n): return lambda x: x + n
        made = make(3)
        LOCK = threading.Lock()
        TABLE = {"add": add, "model": Model}
        MODEL = Model()
        @timed
        def helper(x): return x
        def work(): return Model, add_one, scale, made, LOCK, TABLE, helper, MODEL
        """
    )
    parts = workplace.run("result = parts()")
    names = ["Base", "Model", "add", "deep", "helper", "log", "made", "make", "scale", "timed"]
    assert sorted(parts) == sorted(
        ["function", *(f"name:flow.{name}" for name in names)]
        + [f"global:flow.{name}" for name in ("LOCK", "MODEL", "TABLE", "add_one")]
    )
    for edit, expected in (
        (("flow.py", "make(3)", "make(4)"), {"name:flow.made"}),
        (("flow.py", "partial(add, 1)", "partial(add, 2)"), {"global:flow.add_one"}),
        (("flow.py", "@timed", "@functools.lru_cache"), {"name:flow.helper", "name:flow.timed"}),
        (("flow.py", "deep(): return 1", "deep(): return 2"), {"name:flow.deep"}),
        (("flow.py", "threading.Lock()", "threading.RLock()"), {"global:flow.LOCK"}),
    ):
        assert workplace.changed(edit) == expected, edit


def test_closures_and_computed_defaults_count_by_value(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        import os
        def outer(n):
            def inner(x, a=1, b=n * 2, *, c=os.sep, d=(1, -2)):
                return x + n + inner(x)
            return inner
        work = outer(3)
        """
    )
    assert list(workplace.run("result = parts()")) == [
        "closure:inner", "closure:n", "default:b", "default:c", "function",
    ]  # fmt: skip
    assert workplace.changed(("flow.py", "outer(3)", "outer(4)")) == {"closure:n", "default:b"}
    assert workplace.changed(("flow.py", "a=1", "a=2")) >= {"function"}


def test_lambdas_on_one_line_are_told_apart(workplace: Workplace) -> None:
    workplace.write(flow="work, other = (lambda x: x + 1), (lambda x: x + 2)\n")
    assert workplace.run("result = parts()['function'] != parts('other')['function']")
    assert workplace.changed(("flow.py", "x + 2", "x + 3")) == set()
    assert workplace.changed(("flow.py", "x + 1", "x + 4")) == {"function"}


def test_digests_are_the_same_for_every_hash_seed_folder_and_main(workplace: Workplace) -> None:
    text = """
        import numpy as np
        from pathlib import Path
        HERE = Path(__file__).parent
        DATA = str(HERE / "data.csv")
        NAMES = {"alpha", "beta", "gamma", ("a", 1)}
        NESTED = [frozenset("abcdef"), {"x": {1, 2}}, HERE]
        TABLE = np.arange(6.0)
        class Config:
            def __init__(self): self.names = {"p", "q", "r"}
        CONFIG = Config()
        def work(x):
            return x in {"a", "b", "c"}, NAMES, NESTED, TABLE, CONFIG, HERE, DATA, __file__, __name__
        if __name__ == "__main__":
            import json
            from fairlead.packaging.project import find_project
            from fairlead.packaging.sources import source_parts
            print(json.dumps(source_parts(work, find_project(Path(__file__)))))
    """
    workplace.put("a/flow.py", text)
    workplace.put("b/flow.py", text)
    seeds = [workplace.run("result = parts(file='a/flow.py')", seed=seed) for seed in ("0", "1", "random")]
    elsewhere = workplace.run("result = parts(file='b/flow.py')")
    as_main = workplace.run(
        "import subprocess\nresult = json.loads(subprocess.check_output([sys.executable, 'a/flow.py'], text=True))"
    )
    assert seeds[0] == seeds[1] == seeds[2] == elsewhere == as_main
    assert {f"global:flow.{name}" for name in ("NAMES", "NESTED", "TABLE", "CONFIG", "HERE", "DATA")} < set(elsewhere)


def test_a_function_without_source_counts_by_its_code(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        space = {"__name__": __name__}
        exec("def work(x): return x + 1", space)
        exec("def same(x):  # text\\n  return x + 1", space)
        exec("def other(x): return x + 2", space)
        work, same, other = space["work"], space["same"], space["other"]
        builtin = len
        """
    )
    work, same, other, builtin = workplace.run("result = [parts(n) for n in ('work', 'same', 'other', 'builtin')]")
    assert work.keys() == {"function"} == builtin.keys()
    assert work != other != builtin
    assert same["function"] != other["function"]


def test_very_long_expressions_are_digested(workplace: Workplace) -> None:
    terms = " + ".join(["x"] * 2000)
    workplace.write(flow=f"def helper(x):\n    return {terms}\ndef work(x):\n    return helper(x)\n")
    assert list(workplace.run("result = parts()")) == ["function", "name:flow.helper"]


@pytest.mark.parametrize(
    ("imported", "decorator"),
    [
        ("from fairlead import step", "step"),
        ("import fairlead", "fairlead.step"),
        ("import fairlead as fl\ntask = fl.step", "task"),
        ("from shared import task", "task"),
    ],
)
def test_fairleads_own_decorators_do_not_count(workplace: Workplace, imported: str, decorator: str) -> None:
    workplace.write(flow=f"{imported}\nCPU = 1\n@{decorator}(cpu=CPU)\ndef work(x: int) -> int:\n    return x\n")
    workplace.write(shared="from fairlead import step as task")
    assert list(workplace.run("result = parts()")) == ["function"]
    assert workplace.changed(("flow.py", "(cpu=CPU)", "(cpu=2, retries=1)")) == set()


def test_steps_made_without_a_decorator_are_followed(workplace: Workplace) -> None:
    workplace.write(
        flow="""
        from fairlead import step
        def _fit(x: int) -> int: return x
        fit = step(_fit)
        big = fit.options(cpu=4)
        def work(): return fit, big, [fit]
        """
    )
    assert set(workplace.run("result = parts()")) == {"function", "name:flow._fit", "name:flow.big", "name:flow.fit"}
    assert "name:flow._fit" in workplace.changed(("flow.py", "return x", "return -x"))


def test_two_hundred_steps_are_fast(workplace: Workplace) -> None:
    step = (
        "def step_{0}(x):\n"
        + "".join(f"    x = x + {n} * RATE if x else step_0(x)\n" for n in range(8))
        + "    return x\n"
    )
    workplace.write(flow="RATE = 1\n" + "".join(step.format(n) for n in range(200)))
    seconds = workplace.run(
        """
        import time
        project = find_project(Path("flow.py"))
        module = import_project(project)
        start = time.process_time()
        for n in range(200):
            source_parts(getattr(module, f"step_{n}"), project)
        result = time.process_time() - start
        """
    )
    assert seconds < 1.0  # 0.1 s is usual; the rest is for a busy machine


def test_the_closure_holds_every_file_that_is_imported(flow: Workplace) -> None:
    flow.put("lib/extra/__init__.py", "from . import tail")
    flow.put("lib/extra/tail.py", "import far.space.leaf")
    flow.put("far/space/leaf.py")
    flow.put("unrelated.py")
    flow.write(
        lib__unused="from lib.extra import *\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING: import unrelated"
    )
    contents = flow.run("result = {n: d.decode() for n, d in import_closure(find_project(Path('flow.py'))).items()}")
    assert list(contents) == [
        "far/space/leaf.py", "flow.py", "helpers.py", "lib/__init__.py", "lib/deep.py", "lib/deeper.py",
        "lib/extra/__init__.py", "lib/extra/tail.py", "lib/unused.py", "stub.py",
    ]  # fmt: skip
    assert contents["flow.py"] == FLOW


def test_a_recorded_closure_gives_the_same_parts(flow: Workplace) -> None:
    before, after = flow.run(
        """
        project = find_project(Path("flow.py"))
        contents = import_closure(project)
        before = source_parts(import_project(project).lazily, project)
        edit("lib/deeper.py", "return x", "return 7")
        edit("flow.py", "go(x)", "go(x) + 1")
        result = [before, source_parts(import_project(project, contents).lazily, project)]
        """
    )
    assert before == after


def test_the_closure_is_of_what_was_loaded(flow: Workplace) -> None:
    text = flow.run(
        """
        load()
        edit("flow.py", "RATE = 0.5", "RATE = 0.75")
        result = import_closure(find_project(Path("flow.py")))["flow.py"].decode()
        """
    )
    assert text == FLOW


def test_a_closure_that_is_too_large_names_the_biggest_files(workplace: Workplace) -> None:
    workplace.write(flow="import data", data="")
    text, _, _ = workplace.run(
        """
        Path("data.py").write_bytes(b"#" * (65 << 20))
        result = refused(lambda: import_closure(find_project(Path("flow.py"))))
        """
    )
    assert "data.py 65.0 MiB" in text
