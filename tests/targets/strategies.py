"""Strategies of graphs that a cluster takes, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fairlead.specs import conditions, graphs, runtimes, steps
from fairlead.specs.graphs import Export, Graph, Node, Output
from fairlead.specs.resources import Resources
from fairlead.specs.volumes import Csi
from fairlead.targets.refusals import step_refusals
from specs import strategies as specs

NAMES = st.from_regex(r"[A-Za-z_][-A-Za-z0-9_]{0,62}", fullmatch=True) | st.sampled_from(
    ["flow", "finish", "Flow", "_", "a-1", "a_1", "a--1"]
)
OBJECTS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
GPUS = specs.GPUS.filter(lambda text: not text.startswith("tpu"))
SHARED: dict[str, Any] = specs.SHARED | {
    "name": NAMES,
    "resources": st.builds(
        Resources, cpu=specs.some(specs.CPU), memory=specs.some(specs.BYTES), gpus=specs.some(GPUS), disk=specs.some(specs.BYTES),
        shared_memory=specs.some(specs.BYTES),
    ),
    "runtime": st.builds(runtimes.Single) | st.builds(runtimes.Torch, nodes=specs.COUNTS, processes_per_node=specs.COUNTS)
    | specs.STANDING,
    "environment": st.builds(
        steps.Environment, image=st.none() | st.just("python:3.12"), variables=st.just({"A": "{{x}}"}),
        packages=st.sampled_from([(), (), ("six==1.17.0",), ("a==1", "b==2 ; python_version < '4'")]),
        secrets=specs.few(st.builds(steps.Secret, name=OBJECTS, key=OBJECTS, variable=specs.VARIABLES)),
    ),
    "queue": specs.some(OBJECTS), "priority": specs.some(OBJECTS),
    "volumes": st.lists(
        st.builds(
            steps.Volume, name=NAMES, path=OBJECTS.map("/mnt/{}".format), claim=OBJECTS, read_only=st.booleans(),
            sub_path=specs.some(OBJECTS), annotations=st.dictionaries(OBJECTS, OBJECTS, max_size=1),
        ) | st.builds(
            steps.Volume, name=NAMES, path=OBJECTS.map("/mnt/{}".format), size=specs.BYTES.map(str), storage_class=specs.some(OBJECTS),
            access_mode=st.sampled_from(["ReadWriteOnce", "ReadWriteMany"]), lasts=st.sampled_from(["pod", "run"]),
        ) | st.builds(
            steps.Volume, name=NAMES, path=OBJECTS.map("/mnt/{}".format), read_only=st.booleans(),
            csi=st.builds(Csi, driver=OBJECTS, attributes=st.dictionaries(OBJECTS, OBJECTS, max_size=1), secret=specs.some(OBJECTS)),
        ),
        max_size=2, unique_by=(lambda each: each.name.lower(), lambda each: each.path),
    ).map(tuple),
    "overlays": st.just(()),
}  # fmt: skip
FUNCTION_STEPS = st.builds(steps.FunctionStep, function=st.just("mod:work"), **SHARED).filter(
    lambda step: not list(step_refusals(step))
)
STEPS = FUNCTION_STEPS | st.one_of(
    st.builds(steps.DriverStep, function=st.just("mod:work"), **SHARED),
    st.builds(steps.SweepStep, trial=st.just("s0"), space=st.just({}), metric=st.just("m"), direction=st.just("maximize"), **SHARED),
).filter(lambda step: not list(step_refusals(step)))  # fmt: skip


def one_step(step: steps.Step) -> Graph:
    """A graph of one use of a step."""
    return Graph(flow="f", steps={step.name: step}, nodes=(Node(step=step.name),))


@st.composite
def runnable(draw: st.DrawFn, nodes_max: int = 12) -> Graph:
    """A graph in which everything that a workflow has to express occurs: data, order, lists, conditions, choices."""
    definitions = {
        f"s{number}" if number else each.name: each
        for number, each in enumerate(draw(st.lists(STEPS, min_size=1, max_size=3)))
    }
    drafts: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, nodes_max))):
        earlier = st.integers(0, number - 1) if number else st.nothing()
        draft: dict[str, Any] = {"step": draw(st.sampled_from(list(definitions))), "inputs": {}, "split": ()}
        drafts.append(draft)
        if number and draw(st.booleans()):
            draft["inputs"]["x"] = draw(
                st.builds(Output, node=earlier)
                | st.builds(graphs.ListOf, st.lists(st.builds(Output, node=earlier), max_size=3).map(tuple))
                | st.builds(
                    graphs.FirstOf, st.lists(st.builds(Output, node=earlier), min_size=1, max_size=3).map(tuple)
                )
            )
        if number and draw(st.booleans()):
            draft["after"] = tuple(draw(st.sets(earlier, max_size=2)))
        if number and draw(st.booleans()):
            read = st.builds(conditions.Scalar, node=earlier, output=st.just(0), path=st.just(("a",)))
            draft["when"] = draw(read | st.builds(conditions.And, st.lists(read, min_size=2, max_size=2).map(tuple)))
        kind = draw(st.sampled_from(["plain", "counted", "unknown" if number else "plain"]))
        if kind == "counted":
            draft |= {"each": ("m",), "count": draw(st.integers(0, 5))}
            draft["inputs"]["m"] = graphs.Literally(list(range(draft["count"])))
        elif kind == "unknown":
            source = draw(earlier)
            draft |= {"each": ("m",)}
            draft["inputs"]["m"] = Output(node=source)
            if not drafts[source].get("each"):
                drafts[source]["split"] = (Export(0, ()),)
    return Graph(flow=draw(NAMES), steps=definitions, nodes=tuple(Node(**each) for each in drafts))
