"""Flows of cells, executed by a real Jupyter kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from fairlead.store.layout import Task

from .conftest import SOURCE, Notebook

PRELUDE = "from fairlead import flow, log, step"


def test_flow_with_tables_classes_and_constants(notebook: Notebook) -> None:
    notebook.ok(
        """
        import pandas as pd
        from dataclasses import dataclass
        from fairlead import flow, log, step

        RATE = 0.5
        WEIGHTS = pd.DataFrame({"a": [1, 2]})
        """
    )
    notebook.ok(
        """
        @dataclass
        class Config:
            lr: float

            def twice(self):
                return 2 * self.lr

        CONFIG = Config(0.25)
        """
    )
    notebook.ok(
        """
        @step
        def load(rows: int) -> pd.DataFrame:
            print("only in the log")
            return pd.DataFrame({"x": range(rows)})

        @step
        def fit(frame: pd.DataFrame, config: Config) -> Config:
            log(loss=frame.x.sum() * RATE)
            return Config(float(config.twice() + CONFIG.lr + WEIGHTS.a.sum()))

        @flow
        def train(rows: int = 10, config: Config = CONFIG):
            return fit(load(rows), config)
        """
    )
    output = notebook.ok("run = train.run(rows=5, config=Config(3.0))\nrun")
    assert re.match(r"run \S+   flow train   succeeded   ", output.table)
    assert "loss 5" in output.table
    assert re.fullmatch(r"<run \S+ succeeded>", output.value)  # the table is there already
    assert "only in the log" not in output.printed

    # An instance of a cell's class goes into a step and comes back as one of the kernel's own class.
    assert notebook.ok("run.result(), isinstance(run.result(), Config)").value == "(Config(lr=9.25), True)"
    assert notebook.ok("run").value.startswith("run ")
    run = notebook.report(notebook.ok("print(run.id)").printed.strip())
    assert {each.name: each.status for each in run.report.steps} == {"load": "succeeded", "fit": "succeeded"}
    log = notebook.store.log_path(run.id, Task("load", 0, 1))
    assert log.read_text() == "only in the log\n"


def test_edited_cell_runs_again_and_only_it(notebook: Notebook) -> None:
    notebook.ok(
        """
        from fairlead import flow, step

        @step
        def first() -> int:
            return 1
        """
    )
    notebook.ok("def helper(x):\n    return x + 1")
    notebook.ok("@step\ndef second(x: int) -> int:\n    return helper(x)")
    notebook.ok("@flow\ndef chain():\n    return second(first())")
    ask = "run = chain.run(); print(run.result(), [each.cached for each in run.report.steps])"
    assert notebook.ok(ask).printed == "2 [False, False]\n"
    assert notebook.ok(ask).printed == "2 [True, True]\n"
    notebook.ok("def helper(x):\n    # a comment is no edit\n    return x + 1")
    assert notebook.ok(ask).printed == "2 [True, True]\n"
    notebook.ok("def helper(x):\n    return x + 10")
    assert notebook.ok(ask).printed == "11 [True, False]\n"
    notebook.ok("@step\ndef second(x: int) -> int:\n    return helper(x) * 2")
    assert notebook.ok(ask).printed == "22 [True, False]\n"
    # A cell that failed before its definition was executed has defined nothing.
    notebook.run("1 / 0\ndef helper(x):\n    return -1")
    assert notebook.ok(ask).printed == "22 [True, True]\n"


def test_failed_step_shows_cell_line_and_text(notebook: Notebook) -> None:
    notebook.ok(PRELUDE)
    defined = notebook.ok("# a comment first\n\n@step\ndef bad(n: int):\n    gone = n - n\n    return 1 / gone")
    notebook.ok("@step\ndef after(x: int):\n    return x\n\n@flow\ndef broken():\n    after(bad(1))")
    output = notebook.ok("broken_run = broken.run()")
    place = f"Cell In[{defined.number}], line 6"
    assert "step bad/0 failed: ZeroDivisionError: division by zero" in output.table
    assert f"  at     {place}, in bad\n  line   return 1 / gone\n" in output.table
    assert "1 blocked" in output.table
    assert f"{place}, in bad" in output.html.partition("<details>")[2]
    assert "RunFailed" in (notebook.run("broken_run.result()").error or "")


def test_values_and_magics_that_cannot_go_are_refused_together(notebook: Notebook) -> None:
    notebook.ok(PRELUDE)
    table = notebook.ok("import pandas as pd\nbig = pd.DataFrame({'x': range(100_000)})")
    notebook.ok("import threading\nlock = threading.Lock()")
    notebook.ok(
        """
        @step
        def uses_big() -> int:
            return len(big)

        @step
        def uses_lock():
            with lock:
                !ls

        @flow
        def refused():
            uses_big()
            uses_lock()
        """
    )
    output = notebook.run("refused.run()")
    error = output.error or ""
    assert output.error_name == "UsageError"
    assert (
        f"uses_big uses big (Cell In[{table.number}], line 2): it is a DataFrame of 100000 by 1 that is larger" in error
    )
    assert "give it to uses_big as a parameter" in error
    assert "uses_lock uses lock" in error
    assert "can't be pickled (cannot pickle '_thread.lock' object)" in error
    assert "uses a magic or a shell command (% or !)" in error
    assert "fairlead/notebook" not in error  # the message alone, no frames of ours


def test_value_too_large_for_the_code_may_be_given_to_a_step(notebook: Notebook) -> None:
    notebook.ok(
        """
        import pandas as pd
        from fairlead import flow, step
        given = pd.DataFrame({"x": range(100_000)})

        @step
        def count(frame: pd.DataFrame) -> int:
            return len(frame)

        @flow
        def counting():
            return count(given)
        """
    )
    assert notebook.ok("print(counting.run().result())").printed == "100000\n"


def test_module_beside_the_notebook_counts(notebook: Notebook) -> None:
    beside = notebook.folder / "work" / "beside.py"
    beside.write_text("def scale(x):\n    return 2 * x\n")
    notebook.ok(
        """
        from fairlead import flow, step
        from beside import scale

        @step
        def scaled(x: int) -> int:
            return scale(x)

        @flow
        def scaling():
            return scaled(21)
        """
    )
    ask = "run = scaling.run(); print(run.result(), [each.cached for each in run.report.steps])"
    assert notebook.ok(ask).printed == "42 [False]\n"
    assert notebook.ok(ask).printed == "42 [True]\n"
    beside.write_text("def scale(x):\n    return 3 * x\n")
    assert notebook.ok(ask).printed == "63 [False]\n"


def test_cells_in_any_order_with_magics_and_dynamic_flows(notebook: Notebook) -> None:
    notebook.ok("class Base:\n    factor = 2")
    notebook.ok("%%time\nclass Derived(Base):\n    def of(self, x):\n        return self.factor * x")
    notebook.ok("class Base:\n    factor = 3")  # executed again: it now comes after what derives from it
    notebook.ok(
        """
        %timeit -n1 -r1 None
        !true
        from fairlead import flow, step
        LIMIT = 20
        grow = lambda x: Derived().of(x)

        @step
        def grown(x: int) -> int:
            return grow(x)

        @flow(dynamic=True)
        def until(x: int = 1) -> int:
            while x < LIMIT:
                x = grown(x)
            return x
        """
    )
    assert notebook.ok("print(until.run().result())").printed.endswith("27\n")


def test_flow_of_a_file_is_shown_too_and_the_kernel_stays_as_it_was(notebook: Notebook) -> None:
    text = "@step\ndef one() -> int:\n    return 1\n\n@flow\ndef filed():\n    return one()\n"
    (notebook.folder / "work" / "filed.py").write_text(f"{PRELUDE}\n\n{text}")
    before = "import os, signal, threading\n"
    before += (
        "state = lambda: (signal.getsignal(signal.SIGINT), dict(os.environ), threading.active_count())\nwas = state()"
    )
    notebook.ok(before)
    output = notebook.ok("from filed import filed\nfiled.run().result()")
    assert "one   succeeded" in output.table
    assert output.value == "1"
    assert notebook.ok("print('still printing', was == state())").printed == "still printing True\n"


def test_interrupt_cancels_and_resume_goes_on(notebook: Notebook) -> None:
    started = notebook.folder / "started"
    notebook.ok(
        f"""
        import time, pathlib
        from fairlead import flow, step

        @step
        def quick() -> int:
            return 1

        @step
        def slow(x: int) -> int:
            path = pathlib.Path({str(started)!r})
            if not path.exists():
                path.touch()
                time.sleep(60)
            return x + 1

        @flow
        def long():
            return slow(quick())
        """
    )
    output = notebook.interrupted("long.run()\nprint('not reached')", once=started)
    assert output.error_name == "KeyboardInterrupt"
    assert "not reached" not in output.printed
    run = re.findall(r"\d{8}-\d{6}-\w{5}", output.table)[0]
    assert f"fairlead resume {run}" in output.table
    assert f"fairlead resume {run}" in (output.error or "")
    assert {each.name: each.status for each in notebook.report(run).report.steps} == {
        "quick": "succeeded",
        "slow": "cancelled",
    }

    resumed = subprocess.run(
        [sys.executable, "-m", "fairlead", "resume", run],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )
    assert resumed.returncode == 0, resumed.stderr
    done = notebook.report(run)
    assert done.result() == 2
    assert [len(each.attempts) for each in done.report.steps] == [1, 2]
    assert notebook.ok("2 + 2").value == "4"


def test_sweep_over_a_step_of_a_cell(notebook: Notebook) -> None:
    notebook.ok(
        """
        from fairlead import flow, log, step, sweep
        from fairlead.space import uniform

        CENTRE = 0.5

        @step
        def trial(x: float) -> float:
            log(loss=(x - CENTRE) ** 2)
            return x

        @flow
        def search():
            best = sweep(trial, over={"x": uniform(0, 1)}, trials=3, minimize="loss")()
            return best.value
        """
    )
    output = notebook.ok("print(0 <= search.run().result() <= 1)")
    assert output.printed == "True\n"
    assert "trial" in output.table


def test_step_changed_by_options_and_class_of_a_nested_value(notebook: Notebook) -> None:
    notebook.ok(
        """
        from enum import Enum
        from fairlead import flow, step

        class Kind(Enum):
            A = 1

        class Box:
            def __init__(self, kind):
                self.kind = kind

        @step
        def opened(boxes: list) -> str:
            return boxes[0].kind.name

        opened = opened.options(retries=1)

        @flow
        def boxing():
            return opened([Box(Kind.A)])
        """
    )
    assert notebook.ok("print(boxing.run().result())").printed == "A\n"
    assert notebook.ok("import pickle; type(pickle.loads(pickle.dumps(Box(1)))) is Box").value == "True"


def test_terminal_has_lines_and_a_table_of_text(tmp_path: Path) -> None:
    script = """
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    for cell in (
        "from fairlead import flow, step",
        "@step\\ndef one() -> int:\\n    return 1",
        "@flow\\ndef ones():\\n    return one()",
        "run = ones.run(); run",
    ):
        shell.run_cell(cell, store_history=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "FAIRLEAD_HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert "  one/0 succeeded\n" in done.stdout
    assert re.search(r"Out\[4\]: \n?run \S+   flow ones   succeeded", done.stdout), done.stdout
    assert done.stderr == ""


def test_flow_that_cannot_be_traced_names_the_cell(notebook: Notebook) -> None:
    defined = notebook.ok(
        """
        from fairlead import flow, step

        @step
        def score() -> float:
            return 0.5

        @flow
        def wrong():
            if score() > 0.4:
                score()
        """
    )
    output = notebook.run("wrong.run()")
    assert f"Cell In[{defined.number}], line 9: if score() > 0.4:" in (output.error or "")
    assert "ipykernel" not in (output.error or "")
    assert "frame" not in (output.error or "")


def test_table_is_kept_up_to_date_while_the_cell_runs(notebook: Notebook) -> None:
    notebook.ok(
        """
        import time
        from fairlead import flow, log, progress, step

        @step
        def ticking(n: int):
            for number in range(100):
                progress(number + 1, 100)
                time.sleep(0.01)

        @flow
        def watched():
            ticking.map([1, 2])
        """
    )
    notebook.updates.clear()
    notebook.ok("watched.run()")
    assert 3 <= len(notebook.updates) <= 20
    assert any("2 running" in each and "/ 100" in each for each in notebook.updates)
    assert "2 succeeded" in notebook.updates[-1]


def test_class_stays_picklable_when_a_run_is_refused_or_the_class_is_redefined(notebook: Notebook) -> None:
    notebook.ok(
        """
        import pickle
        from fairlead import flow, step

        class Kept:
            pass

        @step
        def keep(kept: Kept | None, others: list[Kept]) -> Kept:
            return kept

        @flow
        def keeping():
            return keep(Kept(), [Kept()])
        """
    )
    assert notebook.ok("print(type(keeping.run().result()) is Kept)").printed == "True\n"
    notebook.ok("import threading\nheld = threading.Lock()\n@step\ndef holds(): held\n@flow\ndef holding(): holds()")
    assert "holds uses held" in (notebook.run("holding.run()").error or "")
    assert notebook.ok("print(type(pickle.loads(pickle.dumps(Kept()))) is Kept)").printed == "True\n"
    notebook.ok("class Kept:\n    anew = 1")
    assert notebook.ok("print(keeping.run().result().anew)").printed == "1\n"


def test_a_failed_run_goes_on_with_the_cells_as_they_are_now(notebook: Notebook) -> None:
    notebook.ok(
        f"""
        {PRELUDE}

        @step
        def prepare(amount: int) -> int:
            return amount + 1

        @step
        def finish(amount: int) -> int:
            return amount // 0

        @flow
        def mended(amount: int = 1):
            return finish(prepare(amount))

        failed = mended.run(amount=5)
        """
    )
    notebook.ok("@step\ndef finish(amount: int) -> int:\n    return amount * 2")
    output = notebook.ok("done = mended.resume(failed)\nprint(done.id == failed.id, done.result())")
    assert output.printed == "True 12\n"
    assert "succeeded" in output.table
    run = notebook.report(notebook.ok("print(done.id)").printed.strip())
    assert [len(run.step(name).attempts) for name in ("prepare", "finish")] == [1, 2]

    notebook.ok("@flow\ndef another():\n    return prepare(1)")
    assert "is of flow 'mended', not 'another'" in (notebook.run("another.resume(failed)").error or "")
    said = notebook.run(f"!{sys.executable} -m fairlead resume --with-current-code {run.id}").printed
    assert f"in the notebook, mended.resume('{run.id}')" in said
