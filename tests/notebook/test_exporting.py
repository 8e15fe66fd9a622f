"""Modules made of cells, without a kernel."""

from __future__ import annotations

import linecache
import sys
from types import ModuleType
from typing import Any

from fairlead.notebook.cells import Cell, Cells
from fairlead.notebook.exporting import Exported, export


def execute(*sources: str, **names: Any) -> tuple[Cells, dict[str, Any]]:
    """Execute cells one after the other, as a kernel does."""
    names["__name__"] = "__main__"
    cells = []
    for number, source in enumerate(sources, 1):
        file = f"/nowhere/cell-{number}.py"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        exec(compile(source, file, "exec", dont_inherit=True), names)
        cells.append(Cell(number, source, file))
    return Cells(cells), names


def exported(root: str, *sources: str, **names: Any) -> Exported:
    cells, found = execute(*sources, **names)
    return export([root], cells, found, lambda code: None)


def load(made: Exported) -> dict[str, Any]:
    assert made.faults == ()
    module = ModuleType("made_of_cells")
    exec(compile(made.source, "made_of_cells.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def test_takes_what_a_function_reaches_and_nothing_else() -> None:
    made = exported(
        "work",
        "import os, json as j\nimport math",
        "USED, UNUSED = 1, 2\ndef other(): return UNUSED",
        "def helper(x): return math.floor(x) + USED\ndef work(x): return helper(x), j.dumps(x)",
    )
    assert load(made)["work"](2.5) == (3, "2.5")
    assert {"helper", "work", "USED"} <= made.names
    assert "UNUSED" not in made.source
    assert "import os" not in made.source


def test_text_does_not_depend_on_the_order_of_execution() -> None:
    helper, work, number = "def helper(): return N", "def work(): return helper()", "N = 7"
    first = exported("work", number, helper, work)
    second = exported("work", work, "N = 3", helper, helper, number)
    assert first.source == second.source
    assert load(first)["work"]() == 7


def test_value_is_what_it_is_now_not_what_it_was_assigned() -> None:
    made = exported("work", "TABLE = {}", "TABLE['a'] = [1, (2.5,), {None, True}]", "def work(): return TABLE")
    assert load(made)["work"]() == {"a": [1, (2.5,), {None, True}]}
    assert "TABLE = {'a': [1, (2.5,), set([None, True])]}" in made.source


def test_what_is_needed_at_import_comes_first() -> None:
    made = exported(
        "work",
        "def twice(function): return lambda x: factor() * function(x)\ndef factor(): return 2",
        "class A:\n    def make(self): return B()",
        "class B(A):\n    pass",
        "@twice\ndef work(x, kind=B): return x if isinstance(kind().make(), A) else 0",
    )
    assert load(made)["work"](4) == 8


def test_code_that_is_assigned_goes_by_its_statement() -> None:
    made = exported(
        "work",
        "from functools import partial\nfrom typing import TypeVar\nT = TypeVar('T')",
        "add = lambda x, y: x + y\nadd_two = partial(add, 2)",
        "def work(x: T) -> T: return add_two(x)",
    )
    assert load(made)["work"](3) == 5
    assert "add = lambda x, y: x + y\n" in made.source


def test_names_of_star_imports_and_of_none_of_the_cells_are_imported() -> None:
    import textwrap

    made = exported("work", "from os.path import *", "def work(x): return basename(fill(x))", fill=textwrap.fill)
    assert "from posixpath import basename" in made.source or "from os.path import basename" in made.source
    assert "from textwrap import fill" in made.source
    assert load(made)["work"]("/a/b") == "b"


def test_import_in_a_compound_statement_is_made_plain() -> None:
    made = exported(
        "work",
        "try:\n    import missing_library as j\nexcept ImportError:\n    import json as j",
        "def work(): return j.dumps(1)",
    )
    assert "import json as j" in made.source
    assert "missing_library" not in made.source


def test_definition_within_a_compound_statement_is_dedented() -> None:
    made = exported("work", "if True:\n    def work():\n        return '''a\n        b'''")
    assert load(made)["work"]().startswith("a")


def test_lines_lead_back_to_the_cells() -> None:
    made = exported(
        "work", "# first", "\n\ndef helper():\n    return 1", "x = 1; y = 2\ndef work():\n    return helper()"
    )
    line = next(number for number, text in enumerate(made.source.splitlines(), 1) if "return helper()" in text)
    assert made.place(line) == "Cell In[3], line 3"
    line = next(number for number, text in enumerate(made.source.splitlines(), 1) if "return 1" in text)
    assert made.place(line) == "Cell In[2], line 4"
    assert made.place(1) is None


def test_all_that_cannot_go_is_named_with_its_user_and_cell() -> None:
    made = exported(
        "work",
        "import threading\nlock = threading.Lock()\nhuge = 'x' * 100_000",
        "def inner(): return lock",
        "def work(): return inner(), huge",
    )
    assert [str(each) for each in made.faults] == [
        "work uses huge (Cell In[1], line 3): it is a str that is larger than 64 KiB; give it to work as a parameter",
        "inner uses lock (Cell In[1], line 2): it is a lock that can't be pickled (cannot pickle '_thread.lock' "
        "object); give it to inner as a parameter",
    ]


def test_function_of_no_known_cell_is_refused() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def lost(): return 1", names)
    made = exported("work", "def work(): return lost()", lost=names["lost"])
    assert [each.path for each in made.faults] == ["work uses lost"]
    assert "run the cell that defines it again" in made.faults[0].message


def test_instances_of_classes_of_cells_bring_their_class() -> None:
    cells, names = execute(
        "class Config:\n    def __init__(self): self.rate = 2", "CONFIG = Config()", "def work(): return CONFIG.rate"
    )
    module = ModuleType("made_with_classes")
    vars(module)["__fairlead_cells__"] = True
    sys.modules[module.__name__] = module

    def adopt(code: Any) -> None:
        code.__module__ = module.__name__
        setattr(module, code.__qualname__, code)

    try:
        made = export(["work"], cells, names, adopt)
        assert made.faults == ()
        exec(made.source, module.__dict__)
        assert module.work() == 2
        assert made.source.index("class Config") < made.source.index("CONFIG =")
    finally:
        del sys.modules[module.__name__]


def test_future_annotations_of_a_cell_hold_in_the_module() -> None:
    made = exported("work", "from __future__ import annotations\ndef work(x: Undefined) -> int: return 1")
    assert "from __future__ import annotations" in made.source.splitlines()[2]
    assert load(made)["work"](0) == 1
