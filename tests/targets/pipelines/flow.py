"""Handwritten digits for a pipeline: settings tried one by one, and what becomes of the best, known at run time only."""

from __future__ import annotations

from fairlead import first_of, flow, log, step


@step
def load(rows: int) -> tuple[list[list[float]], list[int]]:
    """Take some of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data[:rows].tolist(), digits.target[:rows].tolist()


@step
def settings(count: int) -> list[float]:
    """Return how strong the regularization of each model is: a list whose length is known at run time only."""
    return [10.0**-power for power in range(count)]


@step
def fit(strength: float, images: list[list[float]], labels: list[int]) -> float:
    """Train on two thirds, and return the accuracy on the rest."""
    from sklearn.linear_model import LogisticRegression

    train = len(images) * 2 // 3
    model = LogisticRegression(C=strength, max_iter=200).fit(images[:train], labels[:train])
    accuracy = float(model.score(images[train:], labels[train:]))
    log(accuracy=accuracy)
    return accuracy


@step
def best(accuracies: list[float]) -> dict[str, float]:
    """Choose."""
    return {"accuracy": max(accuracies)}


@step
def praise(found: dict[str, float]) -> str:
    """One branch."""
    return f"good: {found['accuracy']:.2f}"


@step
def complain(found: dict[str, float]) -> str:
    """The other branch."""
    return f"poor: {found['accuracy']:.2f}"


@step(retries=2)
def mail(text: str) -> str:
    """Come after one branch alone."""
    return text.upper()


@step
def keep(text: str) -> str:
    """Come after whichever branch was taken."""
    return text


@flow
def pipelines(rows: int = 300, count: int = 3, wanted: float = 0.5) -> str:
    """Try settings of both kinds, and say how good the best is."""
    images, labels = load(rows)
    tried = best(fit.map(settings(count), images=images, labels=labels))
    known = best.options(name="known")(fit.map([1.0, 0.1], images=images, labels=labels))
    mail(praise.options(when=tried["accuracy"] > wanted)(tried))
    mail.options(name="sorry")(complain.options(when=tried["accuracy"] <= wanted)(tried))
    good = praise.options(name="good", when=known["accuracy"] > wanted)(known)
    poor = complain.options(name="poor", when=known["accuracy"] <= wanted)(known)
    return keep(first_of(good, poor))
