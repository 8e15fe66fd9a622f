"""Small clusters and workloads for the planner, drawn and written out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

from fairlead.planner.nodes import Node
from fairlead.planner.openb import read_nodes, read_pods
from fairlead.planner.workloads import Demand, Pod

TRACES = Path(__file__).parents[2].parent / "shared" / "traces"
"""The traces of the published experiment, beside the checkout; tests that need them are skipped where they are not."""

PROPERTY = settings(deadline=None, max_examples=50)

MODELS = ("", "A", "B")
GPUS = {"": 0, "A": 4, "B": 12}

nodes = st.lists(
    st.builds(
        lambda cpu, memory, gpus, model: (cpu, memory, gpus, model if gpus else ""),
        st.integers(1, 8).map(lambda cores: 1000 * cores),
        st.integers(1, 4),
        st.integers(0, 4),
        st.sampled_from(MODELS[1:]),
    ),
    min_size=1,
    max_size=6,
).map(
    lambda drawn: [
        Node(name=f"n{number}", cpu_millis=cpu, memory_mib=memory, gpus=gpus, model=model)
        for number, (cpu, memory, gpus, model) in enumerate(drawn)
    ]
)

demands = st.builds(
    lambda cpu, memory, gpus, part, models: Demand(
        cpu, memory, gpus, (part if gpus == 1 else 1000) if gpus else 0, tuple(sorted(models)) if gpus else ()
    ),
    st.integers(0, 4).map(lambda halves: 500 * halves),
    st.integers(0, 2),
    st.integers(0, 4),
    st.sampled_from((100, 250, 500, 750, 1000)),
    st.sets(st.sampled_from(MODELS[1:])),
)

workloads = st.lists(demands, min_size=1, max_size=30).map(
    lambda drawn: [Pod(f"p{number}", demand) for number, demand in enumerate(drawn)]
)


def trace(name: str) -> tuple[Sequence[Node], Sequence[Pod]]:
    """Return the nodes of the published experiment, and the pods of one of its traces."""
    with (TRACES / "openb_node_list_gpu_node.csv").open(newline="") as lines:
        known = read_nodes(lines).items
    with (TRACES / f"openb_pod_list_{name}.csv").open(newline="") as lines:
        return known, read_pods(lines, known).items
