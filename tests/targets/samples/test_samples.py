"""What upstream's own samples say, and our model can say, is said as they do; each difference has its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from fairlead.runs.launching import load_flow
from fairlead.specs.contexts import Context, Launch, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.schedules import Schedule
from fairlead.targets import cron_workflow, hardware, job
from fairlead.targets.flow_table import FLOWS
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.sweeps import katib_experiment
from fairlead.targets.training import table
from fairlead.targets.training.target import Gang
from targets.goldens import REPOSITORY, submission
from targets.samples.facts import Project, Sample, below, beside, everywhere, is_meant, projects, unlike, values

STEPS = Path(__file__).with_name("steps.py")
OF_FLOWS = {"experiment", "cronworkflow", *FLOWS}
LAUNCH = Launch(
    name="hello-world", flow="hello", digest="0" * 64, context=Context(name="cluster", store="s3://bucket/ml")
)
SCHEDULE = Schedule(
    name="hello-world", cron="* * * * *", timezone="America/Los_Angeles", concurrency="replace", deadline_s=0, kept=4,
    kept_failed=4,
)  # fmt: skip
CONTEXT = Context(name="cluster", namespace="ml", store="s3://bucket/ml", image="image:1", worker_image="worker:1")
EVERYWHERE = everywhere()
PROJECTS = projects()
MODULES = Path.home() / "go/pkg/mod"


class Case(NamedTuple):
    """A sample, of its project."""

    project: Project
    sample: Sample


CASES = [Case(project, sample) for project in PROJECTS.values() for sample in project.samples]


def _named(case: Case) -> str:
    return f"{case.project.repository}/{case.sample.path}-{case.sample.made}-{case.sample.step}"


each_sample = pytest.mark.parametrize("case", CASES, ids=_named)
each_that_is_brought = pytest.mark.parametrize("case", [case for case in CASES if case.project.module], ids=_named)


@cache
def traced(flow: str = "steps") -> Graph:
    """Trace a flow of `steps`; the one of that name has the steps that are compiled by themselves."""
    _, found = load_flow(str(STEPS), flow)
    return found.trace({}).graph


def placed(sample: Sample, graph: Graph) -> Submission:
    return submission(graph, msgspec.convert({**msgspec.to_builtins(CONTEXT), **sample.context}, Context))


def of_a_step(sample: Sample) -> Iterator[Manifest]:
    """Compile a step to what it is called as, to its claims, and to a gang where it is one."""
    graph = traced()
    step, place = graph.steps[sample.step], placed(sample, graph)
    match sample.target:
        case "call":
            yield job.called(place, step, sample.step, 0)
        case "claims":
            yield from hardware.claims(place, [step])
        case target:
            yield from table.targets()[target].render(Gang(place, step, sample.step, 0, 1))


def of_a_flow(sample: Sample) -> Iterator[Manifest]:
    graph = traced(sample.step)
    place = placed(sample, graph)
    nodes = dict.fromkeys(range(len(graph.nodes)))
    match sample.target:
        case "experiment":
            yield katib_experiment.render(place, graph, 0)
        case "cronworkflow":
            yield cron_workflow.render(LAUNCH, SCHEDULE, place.namespace)
        case target:
            yield from FLOWS[target].render(Order(place, graph, nodes))


def made_of(sample: Sample) -> Manifest:
    """Return the object that ours is, of all that the step or the flow becomes."""
    every = of_a_flow(sample) if sample.target in OF_FLOWS else of_a_step(sample)
    (found,) = (each for each in every if each["kind"] == sample.made)
    return found


@each_sample
def test_what_a_sample_says_is_said_as_it_does_or_otherwise_for_a_reason(case: Case) -> None:
    made, sample = made_of(case.sample), case.sample
    said = [*sample.same.items(), *((each.where or each.at, each.ours) for each in sample.differs)]
    assert unlike(made, said) == []
    alike = [each.at for each in sample.differs if not each.where and is_meant(each.at, each.ours, each.theirs, "")]
    assert alike == [], "no difference"


@each_sample
def test_nothing_is_said_beside_that_has_no_reason(case: Case) -> None:
    made, sample = made_of(case.sample), case.sample
    declared = {*sample.same, *(each.where or each.at for each in sample.differs)}
    added = [each for each in (*sample.added, *case.project.added, *EVERYWHERE.added) if each.at not in declared]
    assert beside(made, [*declared, *(each.at for each in added)]) == []
    there = [each for each in added if values(made, each.at) and each.ours is not msgspec.UNSET]
    assert unlike(made, [(each.at, each.ours) for each in there]) == []
    assert [each.at for each in sample.added if not below(made, each.at)] == [], "not there"


def test_a_difference_that_nobody_has_declared_is_found() -> None:
    task = {"name": "b", "depends": "a", "resources": {"limits": {"cpu": "1000m"}}, "args": ["--on=it", "-x"]}
    made = {"metadata": {"name": "it"}, "spec": {"tasks": [{"name": "a"}, task], "fast": False}}
    true = {
        "metadata.name": "{name}",
        "spec.fast": False,
        "spec.tasks[0].name": "a",
        "spec.tasks[b].depends": "a",
        "spec.tasks[1].resources.limits.cpu": 1,
        "**.args": "--on={name}",
        "spec.tasks[c].depends": None,
    }
    assert unlike(made, true.items()) == [] == beside(made, true)
    for path in true.keys() - {"spec.tasks[c].depends"}:
        assert len(unlike(made, [(path, 7)])) == 1 and beside(made, true.keys() - {path}), path
    assert unlike(made, [("spec.fast", 0), ("spec.tasks[*].name", "a"), ("spec.slow", True)]) == [
        "spec.fast is [False], and not 0",
        "spec.tasks[*].name is ['a', 'b'], and not a",
        "spec.slow is [None], and not True",
    ]


def theirs_of(case: Case) -> Manifest:
    """Return the sample itself, or skip the test."""
    project, sample = case
    file = MODULES / f"{project.module}@{project.version}" / sample.path
    if not file.exists():
        pytest.skip(f"{project.module} {project.version} is not there: `python -m testbed build` brings it")
    found = [each for each in yaml.safe_load_all(file.read_text("utf-8")) if each and each["kind"] == sample.kind]
    return found[0]


@each_that_is_brought
def test_the_facts_are_those_of_the_sample_and_all_of_them(case: Case) -> None:
    theirs, sample = theirs_of(case), case.sample
    said = [*sample.same.items(), *((each.at, each.theirs) for each in sample.differs)]
    assert unlike(theirs, said) == []
    assert beside(theirs, [*(path for path, _ in said), *sample.unsaid, *EVERYWHERE.unsaid]) == []
    assert [path for path in sample.unsaid if not below(theirs, path)] == [], "not there"


def test_every_reason_is_given_somewhere_and_every_difference_has_one() -> None:
    given = {each.why for _, sample in CASES for each in (*sample.differs, *sample.added)}
    given |= {each.why for project in PROJECTS.values() for each in project.added}
    assert given | {each.why for each in EVERYWHERE.added} == set(EVERYWHERE.reasons)


def test_the_versions_are_those_that_the_testbed_runs() -> None:
    components = tomllib.loads((REPOSITORY / "testbed/versions.toml").read_text("utf-8"))["components"].values()
    built = {each["module"]: each["version"] for each in components}
    for project in PROJECTS.values():
        assert not project.module or built[project.module] == project.version, project.repository


def test_the_page_of_samples_says_which_were_read() -> None:
    rows = (REPOSITORY / "docs/targets/samples.md").read_text("utf-8").splitlines()
    for project in PROJECTS.values():
        assert any(f"`{project.repository}`" in row and project.version in row for row in rows), project.repository
