"""Strategies of valid specs, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fairlead.specs import conditions, graphs, runtimes, steps, volumes
from fairlead.specs.accelerators import accelerator_models
from fairlead.specs.resources import Resources

NAMES = st.from_regex(r"[A-Za-z_][-A-Za-z0-9_]{0,9}", fullmatch=True)
VARIABLES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True).filter(
    lambda name: not name.startswith("FAIRLEAD_")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=12)
TRICKY = st.sampled_from(
    ["", " ", "on", "off", "yes", "No", "null", "~", "true", "1", "01", "0o7", "0x1f", "1e3", "1e-4", "1_0", ".5", "-.inf",
     "1:30", "2026-11-23", "a: b", "- x", "#x", "'", '"', "x\ny", "äö", "\u2028", "{", "[1]", "&a", "*a", "!x", "%", "@", "`", "=", "<<"]
)  # fmt: skip
WORDS = TEXTS | TRICKY
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
CPU = st.integers(1, 256) | st.sampled_from(["500m", "2", "0.5", 0.25, 1.5])
BYTES = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["", "Ki", "Mi", "Gi", "M"])) | st.integers(
    1, 2**40
)
DURATIONS = st.sampled_from(["90s", "1h30m", "500ms", "2d"])
GPUS = st.sampled_from(
    [f"{model.name}:{model.topologies[0] if model.topologies else 2}" for model in accelerator_models().values()]
    + [f"{model.name}-MIG-{each.name}:1" for model in accelerator_models().values() for each in model.mig_profiles]
)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


RESOURCES = st.builds(
    Resources, cpu=some(CPU), memory=some(BYTES), gpus=some(GPUS), disk=some(BYTES), shared_memory=some(BYTES)
)
RETRIES = st.builds(
    steps.Retries, user=st.integers(0, 5), infrastructure=st.integers(0, 5), backoff=DURATIONS,
    factor=st.floats(1, 10), backoff_max=DURATIONS,
)  # fmt: skip
COUNTS = st.integers(1, 64)


def roles(kind: str) -> st.SearchStrategy[dict[str, runtimes.Role]]:
    known = sorted(runtimes.ROLES[kind])
    counts = st.just(1) if kind in ("ray", "spark", "dask") else COUNTS  # these say themselves how many there are
    role = st.builds(runtimes.Role, count=counts, resources=RESOURCES)
    return st.dictionaries(st.sampled_from(known), role, max_size=2) if known else st.just({})


CLUSTERS = st.from_regex(r"([a-z0-9]{1,9}/)?[a-z]([-a-z0-9]{0,51}[a-z0-9])?", fullmatch=True)
STANDING = st.builds(runtimes.Standing, framework=st.sampled_from(["ray", "dask"]), cluster=CLUSTERS)
RUNTIMES = st.one_of(
    st.builds(runtimes.Single),
    st.integers(1, 8).flatmap(
        lambda nodes: st.builds(
            runtimes.Torch, nodes=st.just(nodes), processes_per_node=COUNTS,
            nodes_min=some(st.integers(1, nodes)), roles=roles("torch"),
        )
    ),
    st.builds(runtimes.Jax, nodes=COUNTS, processes_per_node=COUNTS, roles=roles("jax")),
    st.builds(runtimes.TensorFlow, nodes=COUNTS, roles=roles("tensorflow")),
    st.builds(runtimes.Mpi, nodes=COUNTS, roles=roles("mpi")),
    st.builds(runtimes.XGBoost, nodes=COUNTS, roles=roles("xgboost")),
    st.builds(runtimes.Ray, workers=COUNTS, roles=roles("ray")),
    st.builds(runtimes.Spark, executors=COUNTS, roles=roles("spark")),
    st.builds(runtimes.Dask, workers=COUNTS, roles=roles("dask")),
    STANDING,
)  # fmt: skip
ENVIRONMENTS = st.builds(
    steps.Environment,
    image=some(WORDS), packages=few(WORDS),
    variables=st.dictionaries(VARIABLES.map("V_{}".format), WORDS, max_size=2),
    secrets=st.lists(
        st.builds(steps.Secret, name=NAMES, key=WORDS, variable=VARIABLES.map("S_{}".format)),
        max_size=2, unique_by=lambda each: each.variable,
    ).map(tuple),
)  # fmt: skip
VOLUMES = st.builds(
    steps.Volume,
    name=NAMES,
    path=WORDS.map("/{}".format),
    claim=NAMES,
    sub_path=some(NAMES),
    read_only=st.booleans(),
) | st.builds(
    steps.Volume, name=NAMES, path=st.just("/data"), size=st.just("10Gi"), storage_class=some(NAMES),
    access_mode=st.sampled_from(["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]), lasts=st.sampled_from(["pod", "run"]),
) | st.builds(
    steps.Volume, name=NAMES, path=st.just("/data"), annotations=st.dictionaries(NAMES, WORDS, max_size=2),
    csi=st.builds(volumes.Csi, driver=NAMES, attributes=st.dictionaries(WORDS, WORDS, max_size=2), secret=some(NAMES)),
)  # fmt: skip
OVERLAYS = st.builds(steps.Overlay, kind=WORDS, patch=st.dictionaries(WORDS, JSON, max_size=3))
NUMBERS = st.integers(-100, 100) | st.floats(-100, 100)
DIMENSIONS = st.one_of(
    st.tuples(NUMBERS, NUMBERS).map(sorted).map(lambda ends: steps.Dimension(type="float", low=ends[0], high=ends[1])),
    st.tuples(st.integers(1, 9), st.integers(9, 99)).map(
        lambda ends: steps.Dimension(type="int", low=ends[0], high=ends[1], log=True)
    ),
    st.lists(st.none() | st.booleans() | NUMBERS | WORDS, min_size=1, max_size=3).map(
        lambda choices: steps.Dimension(type="categorical", choices=tuple(choices))
    ),
)
PARAMETERS = st.lists(
    st.builds(steps.Parameter, name=VARIABLES, type=WORDS, required=st.booleans()),
    max_size=3,
    unique_by=lambda each: each.name,
).map(tuple)
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES, "outputs": st.lists(WORDS, min_size=1, max_size=3).map(tuple), "resources": RESOURCES, "runtime": RUNTIMES,
    "environment": ENVIRONMENTS, "retries": RETRIES, "timeout": some(DURATIONS | st.integers(1, 99) | st.just(0.5)),
    "cache": st.sampled_from(["on", "off", "exact"]), "spot": st.booleans(), "queue": some(WORDS), "priority": some(WORDS),
    "labels": st.dictionaries(st.sampled_from(["team", "example.com/x"]), st.sampled_from(["", "a", "1e3", "on"]), max_size=2),
    "volumes": few(VOLUMES), "checkpoint": some(WORDS), "overlays": few(OVERLAYS),
}  # fmt: skip
STEPS = st.one_of(
    st.builds(steps.FunctionStep, function=st.just("mod.sub:Outer.work"), parameters=PARAMETERS, **SHARED),
    st.builds(steps.DriverStep, function=st.just("mod:work"), parameters=PARAMETERS, **SHARED),
    st.builds(
        steps.ContainerStep, image=st.just("busybox:1"), command=st.lists(WORDS, min_size=1, max_size=2).map(tuple),
        parameters=PARAMETERS.filter(lambda all_: all(each.name.isidentifier() and each.name != "output" for each in all_)), **SHARED,
    ),
    st.builds(
        steps.SweepStep, trial=NAMES, space=st.dictionaries(VARIABLES, DIMENSIONS, min_size=1, max_size=2), trials=COUNTS,
        parallel=COUNTS, metric=VARIABLES, direction=st.sampled_from(["maximize", "minimize"]),
        best_of=st.sampled_from(["last", "max", "min"]), sampler=st.sampled_from(["tpe", "random"]),
        pruner=st.sampled_from([None, "median"]), seed=some(st.integers(0, 2**31)), **SHARED,
    ),
)  # fmt: skip
SCALARS = st.builds(
    conditions.Scalar,
    node=st.just(0),
    output=st.just(0),
    path=st.lists(WORDS | st.integers(-3, 9), max_size=2).map(tuple),
)
SIDES = SCALARS | st.builds(conditions.Constant, value=st.none() | st.booleans() | NUMBERS | WORDS)
CONDITIONS = st.recursive(
    SCALARS
    | st.builds(conditions.Compare, st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), SIDES, SIDES)
    | st.builds(conditions.In, SCALARS, st.lists(st.none() | NUMBERS | WORDS, max_size=3).map(tuple)),
    lambda inner: (
        st.builds(conditions.And, st.lists(inner, max_size=2).map(tuple))
        | st.builds(conditions.Or, st.lists(inner, max_size=2).map(tuple))
        | st.builds(conditions.Not, inner)
    ),
    max_leaves=4,
)
BINDINGS = st.recursive(
    st.builds(graphs.Literally, JSON)
    | st.builds(graphs.Constant, NAMES)
    | st.builds(graphs.Output, node=st.just(0), path=st.lists(WORDS, max_size=1).map(tuple)),
    lambda inner: (
        st.builds(graphs.ListOf, st.lists(inner, max_size=2).map(tuple))
        | st.builds(graphs.DictOf, st.dictionaries(WORDS, inner, max_size=2))
        | st.builds(graphs.FirstOf, st.lists(inner, min_size=1, max_size=2).map(tuple))
    ),
    max_leaves=4,
)


@st.composite
def graph_specs(draw: st.DrawFn) -> graphs.Graph:
    """A graph of a source and up to three nodes that take from it."""
    found = draw(st.lists(STEPS, min_size=1, max_size=2))
    definitions = {f"s{number}": each for number, each in enumerate(found)}
    nodes = [graphs.Node(step="s0", inputs={each.name: graphs.Literally(draw(JSON)) for each in found[0].parameters})]
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(sorted(definitions)))
        inputs = {each.name: draw(BINDINGS) for each in definitions[key].parameters}
        nodes.append(
            graphs.Node(
                step=key, name=draw(st.just("") | NAMES), index=draw(st.integers(0, 3)), inputs=inputs,
                each=tuple(draw(st.sampled_from([(), tuple(inputs)]))), count=draw(some(st.integers(0, 9))),
                after=draw(st.sampled_from([(), (0,)])), when=draw(some(CONDITIONS)),
                exports=draw(few(st.builds(graphs.Export, st.just(0), few(WORDS)))), group=draw(WORDS),
            )
        )  # fmt: skip
    result = draw(some(BINDINGS))
    return graphs.Graph(
        flow=draw(NAMES),
        parameters=draw(st.dictionaries(WORDS, JSON, max_size=2)),
        steps=definitions,
        nodes=tuple(nodes),
        result=result,
    )
