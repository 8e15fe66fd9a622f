"""Handwritten digits: sweep, train on two processes, evaluate, report.

    fairlead run examples/digits/flow.py
    fairlead run examples/digits/flow.py --rows 500 --trials 4

The 1,797 images of 8 by 8 pixels are the test set of "Optical Recognition of Handwritten Digits" of the UCI Machine
Learning Repository (Alpaydin and Kaynak, 1998), which scikit-learn carries.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fairlead import flow, log, progress, runtimes, step, sweep
from fairlead.space import choice, loguniform

Samples = dict[str, np.ndarray]
"""``images``: [rows, 64] float32 from 0 to 1, and ``labels``: [rows] int32 from 0 to 9."""

Weights = dict[str, np.ndarray]
"""The arrays of a trained network by name; stored as a safetensors file."""


@step
def load(rows: int) -> Samples:
    """Take some of the digits, the same ones for the same number of rows."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    if not 100 <= rows <= len(digits.target):
        raise ValueError(f"rows must be from 100 to {len(digits.target)}, got {rows}")
    chosen = np.random.default_rng(0).permutation(len(digits.target))[:rows]
    return {
        "images": (digits.data[chosen] / 16).astype(np.float32),
        "labels": digits.target[chosen].astype(np.int32),
    }


@step
def split(samples: Samples) -> tuple[Samples, Samples, Samples]:
    """Divide the samples, which are in random order: 60 % to train on, 20 % to choose by, 20 % to test with."""
    count = len(samples["labels"])
    ends = [count * 60 // 100, count * 80 // 100]
    parts = {name: np.split(values, ends) for name, values in samples.items()}
    train, validation, test = ({name: values[part] for name, values in parts.items()} for part in range(3))
    return train, validation, test


@step
def trial(
    train: Samples, validation: Samples, hidden: int, learning_rate: float, decay: float, epochs: int
) -> dict[str, float]:
    """Train one setting on this process, and log how good it is: the sweep calls it many times."""
    import network

    settings = network.Settings(hidden, learning_rate, decay)
    weights, losses = network.train(
        **train, settings=settings, epochs=epochs, tell=lambda epoch, loss: log(loss=loss, at=epoch)
    )
    accuracy = float(np.mean(network.predict(weights, validation["images"]) == validation["labels"]))
    log(accuracy=accuracy)
    return {"accuracy": accuracy, "loss": losses[-1]}


@step
def join(first: Samples, second: Samples) -> Samples:
    """Put two sets of samples together: once the setting is chosen, the rows it was chosen by are for training."""
    return {name: np.concatenate([first[name], second[name]]) for name in first}


@step(runtime=runtimes.jax(processes_per_node=2))
def fit(train: Samples, settings: dict[str, Any], epochs: int) -> tuple[Weights, list[float]]:
    """Train the chosen setting, data-parallel on two processes; returns the weights and the loss of every epoch.

    Both processes run this function. Each computes the gradient of its half of every batch, collectives add them up,
    and what rank 0 returns is kept.
    """
    import network

    def tell(epoch: int, loss: float) -> None:
        log(loss=loss, at=epoch)
        progress(epoch, epochs)

    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    with network.joined(address, processes=int(os.environ["WORLD_SIZE"]), rank=int(os.environ["RANK"])):
        return network.train(**train, settings=network.Settings(**settings), epochs=epochs, tell=tell)


@step
def evaluate(weights: Weights, test: Samples) -> tuple[dict[str, float], list[list[int]]]:
    """Predict the digits that nothing has seen; returns the metrics, and how often which digit was taken for which."""
    import network

    predicted = network.predict(weights, test["images"])
    counts = np.zeros((network.CLASSES, network.CLASSES), int)
    np.add.at(counts, (test["labels"], predicted), 1)
    metrics = {"accuracy": float(np.trace(counts) / counts.sum()), "rows": float(counts.sum())}
    log(accuracy=metrics["accuracy"])
    return metrics, counts.tolist()


@step
def curve(losses: list[float]) -> Path:
    """Draw the loss of every epoch."""
    import pictures

    return pictures.curve(losses, Path(tempfile.mkdtemp()) / "curve.png")


@step
def confusion(counts: list[list[int]]) -> Path:
    """Draw the confusion matrix."""
    import pictures

    return pictures.matrix(counts, Path(tempfile.mkdtemp()) / "confusion.png")


@step
def report(metrics: dict[str, float], settings: dict[str, Any], score: float, drawings: list[Path]) -> Path:
    """Write one page that can be mailed: its pictures are inside."""
    import pictures

    facts = {
        "accuracy on the test set": f"{metrics['accuracy']:.4f}",
        "rows of the test set": f"{metrics['rows']:.0f}",
        "accuracy of the best trial": f"{score:.4f}",
        **{name.replace("_", " "): f"{value:.3g}" for name, value in settings.items()},
    }
    page = Path(tempfile.mkdtemp()) / "report.html"
    return pictures.page("Handwritten digits", facts, drawings, page)


@flow
def digits(rows: int = 1797, trials: int = 12, epochs: int = 40) -> dict[str, float]:
    """Choose a network for handwritten digits, train it on two processes, and say how good it is.

    Args:
        rows: How many of the 1,797 digits to use.
        trials: How many settings to try.
        epochs: How often to go through the training rows, in the trials and in the training.
    """
    train, validation, test = split(load(rows))
    search = sweep(
        trial,
        over={
            "hidden": choice([32, 64, 128]),
            "learning_rate": loguniform(1e-3, 3e-2),
            "decay": loguniform(1e-6, 1e-3),
        },
        trials=trials,
        parallel=2,
        maximize="accuracy",
        seed=0,
    )
    best = search(train=train, validation=validation, epochs=epochs)
    weights, losses = fit(join(train, validation), best.parameters, epochs)
    metrics, counts = evaluate(weights, test)
    report(metrics, best.parameters, best.score, [curve(losses), confusion(counts)])
    return metrics


if __name__ == "__main__":
    digits.main()
