"""What a step can ask for that an engine runs without: every difference between engines that is no refusal.

A refusal is an engine's own (`fairlead.engines.contract.Engine.faults`). Whatever stands neither here nor there is the
same wherever a flow runs, and the conformance suite holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import ClusterRuntime, Standing, fewest_nodes
from fairlead.specs.steps import ContainerStep, Step, SweepStep

EngineName = Literal["local", "kubernetes"]


class Difference(NamedTuple):
    """A field of a step's spec that an engine does not act on as another one does.

    Attributes:
        engine: The engine.
        field: The field, as a path below the step.
        instead: What happens instead.
        asked: Returns what a step of a graph asks for, by its key; nothing where it does not matter to it.
    """

    engine: EngineName
    field: str
    instead: str
    asked: Callable[[Graph, str], Any]


class Found(NamedTuple):
    """A difference that concerns a step."""

    step: str
    difference: Difference
    asked: str


def differences(graph: Graph) -> Iterator[Found]:
    """Yield what the steps of a graph ask for and do not get everywhere, in the order of the graph."""
    for key in graph.steps:
        for each in DIFFERENCES:
            asked = each.asked(graph, key)
            if asked:
                yield Found(key, each, _shown(each.field, asked))


def _shown(field: str, asked: Any) -> str:
    words = ", ".join(map(str, asked)) if isinstance(asked, tuple | list | dict) else str(asked)
    return field if asked is True else f"{field} {words}"


def _field(path: str) -> Callable[[Graph, str], Any]:
    """Return what looks at a field."""

    def asked(graph: Graph, key: str) -> Any:
        found: Any = graph.steps[key]
        for name in path.split("."):
            found = getattr(found, name)
        return found

    return asked


def _names(path: str, part: str) -> Callable[[Graph, str], Any]:
    """Return what looks at a field of several parts, and names each."""

    def asked(graph: Graph, key: str) -> Any:
        return tuple(getattr(each, part) for each in _field(path)(graph, key))

    return asked


def _split_factor(graph: Graph, key: str) -> Any:
    retries = graph.steps[key].retries
    return retries.factor if retries.factor != max(1, round(retries.factor)) else None


def _pauses_of_trials(graph: Graph, key: str) -> Any:
    trials = {step.trial for step in graph.steps.values() if isinstance(step, SweepStep)}
    retries = graph.steps[key].retries
    return retries.backoff if key in trials and retries.user else None


def _elastic(graph: Graph, key: str) -> Any:
    return fewest_nodes(graph.steps[key].runtime)


def _standing(graph: Graph, key: str) -> Any:
    runtime = graph.steps[key].runtime
    return runtime.cluster if isinstance(runtime, Standing) else None


def _roles(graph: Graph, key: str) -> Any:
    """Return the roles of ranks; those of a framework's cluster make it larger or smaller here, too."""
    runtime = graph.steps[key].runtime
    return () if isinstance(runtime, ClusterRuntime) else tuple(runtime.roles)


def _fleeting_checkpoint(graph: Graph, key: str) -> Any:
    step: Step = graph.steps[key]
    mounted = any(f"{step.checkpoint}/".startswith(f"{each.path.rstrip('/')}/") for each in step.volumes)
    return None if mounted else step.checkpoint


def _is_locked(graph: Graph, key: str) -> Any:
    return graph.steps[key].environment.lock is not None


def _container_image(graph: Graph, key: str) -> Any:
    step = graph.steps[key]
    return step.image if isinstance(step, ContainerStep) else None


_NOT_INSTALLED = "nothing is installed: the Python that runs the step must have them"

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "local",
        "resources.cpu",
        "is counted where steps run side by side; a process may use more",
        _field("resources.cpu"),
    ),
    Difference("local", "resources.disk", "a process may fill this machine's disk", _field("resources.disk")),
    Difference(
        "local", "resources.shared_memory", "this machine's /dev/shm, as it is", _field("resources.shared_memory")
    ),
    Difference(
        "local", "resources.gpus", "so many of this machine's GPUs, whatever their model", _field("resources.gpus")
    ),
    Difference("local", "environment.image", "the Python that fairlead runs in", _field("environment.image")),
    Difference("local", "environment.packages", _NOT_INSTALLED, _field("environment.packages")),
    Difference("local", "environment.lock", _NOT_INSTALLED, _is_locked),
    Difference(
        "local",
        "environment.secrets",
        "this environment's own variables of these names, where it has them",
        _names("environment.secrets", "variable"),
    ),
    Difference("local", "runtime.nodes_min", "the gang has all its nodes, or does not run", _elastic),
    Difference("local", "runtime.cluster", "one of this machine, as large as the step, for it alone", _standing),
    Difference("local", "runtime.roles", "all ranks have what the step asks for", _roles),
    Difference("local", "spot", "this machine", _field("spot")),
    Difference("local", "queue", "starts as soon as this machine has room", _field("queue")),
    Difference("local", "priority", "steps start in the order in which they are ready", _field("priority")),
    Difference("local", "labels", "are recorded, and nothing on this machine carries them", _field("labels")),
    Difference(
        "local", "volumes", "folders that fairlead.volume gives; nothing is mounted at paths", _names("volumes", "path")
    ),
    Difference("local", "overlays", "there are no objects to change", _names("overlays", "kind")),
    Difference(
        "kubernetes", "image", "needs Python in it too, which brings the inputs and the output", _container_image
    ),
    Difference("kubernetes", "retries.factor", "is rounded to a whole number, as Argo Workflows has it", _split_factor),
    Difference(
        "kubernetes",
        "retries.backoff",
        "a trial's pauses are those of a Job: 10 s at first, twice as long each time",
        _pauses_of_trials,
    ),
    Difference("kubernetes", "checkpoint", "is on no volume of the step, and goes with the pod", _fleeting_checkpoint),
)
"""Every difference there is."""
