"""The classifier: a two-layer network in JAX, trained on as many processes as there are.

Imported inside steps only: importing JAX starts threads, and a process that has threads can't be forked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Arrays = dict[str, jax.Array]
Weights = dict[str, np.ndarray]

PIXELS, CLASSES = 64, 10
BATCH = 128


class Settings(NamedTuple):
    """What the sweep chooses: the width of the hidden layer, Adam's step, and the weight of the L2 penalty."""

    hidden: int
    learning_rate: float
    decay: float


class State(NamedTuple):
    """What one update turns into the next: the weights, Adam's two moments of the gradient, and the count."""

    weights: Arrays | Weights
    mean: Arrays | Weights
    square: Arrays | Weights
    count: jax.Array | np.float32


def initial(settings: Settings, seed: int) -> State:
    """Draw the weights (He); the same on every process, as the seed is."""
    draw = np.random.default_rng(seed).normal
    shapes = {"hidden": (PIXELS, settings.hidden), "output": (settings.hidden, CLASSES)}
    weights = {name: draw(0, (2 / shape[0]) ** 0.5, shape).astype("f4") for name, shape in shapes.items()}
    biases = {f"{name}_bias": np.zeros(shape[1], "f4") for name, shape in shapes.items()}
    zeros = {name: np.zeros_like(each) for name, each in (weights | biases).items()}
    return State(weights | biases, zeros, zeros, np.float32(0))


def logits(weights: Arrays, images: jax.Array) -> jax.Array:
    """Return the score of each class: [rows, 10]."""
    hidden = jax.nn.relu(images @ weights["hidden"] + weights["hidden_bias"])
    return hidden @ weights["output"] + weights["output_bias"]


def loss(weights: Arrays, images: jax.Array, labels: jax.Array, decay: float) -> jax.Array:
    """Return the mean cross-entropy of a batch, with the penalty on the weights."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits(weights, images)), labels[:, None], axis=1)
    return -chosen.mean() + decay * sum(jnp.sum(weights[name] ** 2) for name in ("hidden", "output"))


def update(state: State, batch: Arrays, settings: Settings) -> tuple[State, jax.Array]:
    """Take one step of Adam on a batch; returns the loss too."""
    value, gradient = jax.value_and_grad(loss)(state.weights, batch["images"], batch["labels"], settings.decay)
    count = state.count + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.mean, gradient)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g**2, state.square, gradient)
    rate = settings.learning_rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    weights = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-8), state.weights, mean, square)
    return State(weights, mean, square, count), value


@jax.jit
def epoch(state: State, batches: Arrays, settings: Settings) -> tuple[State, jax.Array]:
    """Take a step on each of the batches; returns the mean loss too.

    Every batch is spread over the processes and the weights are the same on all of them: the mean in `loss` and the
    gradients are sums over processes, which XLA compiles to all-reduce operations.
    """
    state, losses = jax.lax.scan(lambda state, batch: update(state, batch, settings), state, batches)
    return state, losses.mean()


@contextmanager
def joined(address: str, processes: int, rank: int) -> Iterator[None]:
    """Make this process one of several that compute together, and part from them in order."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, num_processes=processes, process_id=rank)
    try:
        yield
    finally:
        jax.distributed.shutdown()


def train(
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
    *,
    epochs: int,
    tell: Callable[[int, float], None],
    seed: int = 0,
) -> tuple[Weights, list[float]]:
    """Train on the processes that have joined; returns the weights, and the mean loss of every epoch.

    Args:
        images: All of them, on every process: [rows, 64] float32 from 0 to 1.
        labels: From 0 to 9: [rows] int32.
        settings: What the sweep chose.
        epochs: How often to go through the rows.
        tell: Called after every epoch with its number, from 1 on, and its loss.
        seed: Of the weights and of the order of the rows; the same on every process.
    """
    mesh = Mesh(np.array(jax.devices()), ("processes",))
    everywhere = NamedSharding(mesh, PartitionSpec())
    spread = NamedSharding(mesh, PartitionSpec(None, "processes"))
    state = jax.device_put(initial(settings, seed), everywhere)
    order = np.random.default_rng(seed)
    share = min(BATCH, len(labels)) // jax.process_count()
    batch = share * jax.process_count()
    batches = len(labels) // batch
    mine = slice(share * jax.process_index(), share * (jax.process_index() + 1))
    losses: list[float] = []
    for number in range(1, epochs + 1):
        rows = order.permutation(len(labels))[: batches * batch].reshape(batches, batch)[:, mine]
        local = {"images": images[rows], "labels": labels[rows]}  # this process's part of every batch
        state, value = epoch(state, jax.make_array_from_process_local_data(spread, local), settings)
        losses.append(float(value))
        tell(number, losses[-1])
    return jax.device_get(state.weights), losses


def predict(weights: Weights, images: np.ndarray) -> np.ndarray:
    """Return the most likely class of each image: [rows] int."""
    return np.asarray(jnp.argmax(jax.jit(logits)(weights, images), axis=1))
