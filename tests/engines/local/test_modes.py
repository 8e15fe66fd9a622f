"""Runs in the calling process, runs that are repeated, and runs that go on with other code."""

from __future__ import annotations

import os
from collections import Counter

from engines.local.driving import Bench
from fairlead.runs.handles import Run


def test_inline_steps_run_in_the_calling_process(bench: Bench) -> None:
    before = dict(os.environ)
    ended = bench.launch(bench.file, "inline", {}, inline=True)
    assert (ended.report.status, ended.exit_code) == ("failed", 1)
    run = Run(bench.store, ended.report.run, ended.report)
    assert run.value("where")[0] == os.getpid()
    assert run.step("refuse").attempts[0].error.type == "ValueError"
    assert run.step("link").status == "succeeded"
    assert dict(os.environ) == before


def test_an_inline_driver_calls_steps(bench: Bench) -> None:
    ended = bench.launch(bench.file, "inline_loop", {"goal": 3}, inline=True)
    assert Run(bench.store, ended.report.run, ended.report).result() == 3
    assert [each.name for each in ended.report.steps].count("link") == 3


def test_a_rerun_uses_the_recorded_code(bench: Bench) -> None:
    first = bench.run("chain", length=3)
    bench.file.write_text(bench.file.read_text().replace("return number + 1", "return number + 100"))
    again = bench.launch.rerun(first.report.run)
    assert again.exit_code == 0
    assert again.report.run != first.report.run
    assert again.report.params == first.report.params
    assert Run(bench.store, again.report.run, again.report).result() == 3
    assert Counter(bench.executed())["begin 0"] == 2


def test_a_resume_uses_the_recorded_code_unless_told_otherwise(bench: Bench) -> None:
    ended = bench.run("gated")
    fixed = bench.file.read_text().replace('raise ValueError("not yet")', 'return {"number": 8}')
    bench.file.write_text(fixed)
    assert bench.resume(ended.report.run).exit_code == 1
    resumed = bench.launch.resume(ended.report.run, with_current_code=True)
    assert resumed.exit_code == 0
    assert Run(bench.store, ended.report.run, resumed.report).result() == {"number": 8}
    assert Counter(bench.executed())["make 7"] == 1


def test_a_resume_with_current_code_executes_again_what_changed(bench: Bench) -> None:
    ended = bench.run("gated")
    changed = bench.file.read_text().replace('return {"number": number}', 'return {"number": number + 1}')
    bench.file.write_text(changed)
    bench.go()
    resumed = bench.launch.resume(ended.report.run, with_current_code=True)
    assert resumed.exit_code == 0
    assert Run(bench.store, ended.report.run, resumed.report).result() == {"number": 8}
    assert Counter(bench.executed())["make 7"] == 2


def test_a_step_is_run_alone_as_a_flow_of_its_own(bench: Bench) -> None:
    ended = bench.run("link", number=4)
    assert (ended.report.flow, [each.name for each in ended.report.steps]) == ("link", ["link"])
    assert Run(bench.store, ended.report.run, ended.report).result() == 5
    assert bench.launch.rerun(ended.report.run).report.params == {"number": 4}
    bench.file.write_text(bench.file.read_text().replace("return number + 1", "return number + 100"))
    again = bench.run("link", number=4)
    assert Run(bench.store, again.report.run, again.report).result() == 104
