"""The pictures of the report, and the page that holds them. Imported inside steps only: Matplotlib takes a second."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure


def curve(losses: Sequence[float], file: Path) -> Path:
    """Draw the loss of every epoch into a PNG file, and return the file."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss", title="Training", yscale="log")
    axes.plot(range(1, len(losses) + 1), losses)
    axes.grid(which="both", alpha=0.3)
    figure.savefig(file, dpi=120)
    return file


def matrix(confusion: Sequence[Sequence[int]], file: Path) -> Path:
    """Draw how often which digit (row) was taken for which (column) into a PNG file, and return the file."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    classes = range(len(confusion))
    axes = figure.add_subplot(
        xlabel="predicted", ylabel="true", title="Confusion on the test set", xticks=classes, yticks=classes
    )
    axes.imshow(confusion, cmap="Blues")
    half = max(map(max, confusion)) / 2
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            if count:
                axes.text(column, row, count, ha="center", va="center", color="white" if count > half else "black")
    figure.savefig(file, dpi=120)
    return file


def page(title: str, facts: Mapping[str, str], pictures: Sequence[Path], file: Path) -> Path:
    """Write an HTML page with a table of facts and the pictures inside it, and return the file."""
    rows = "\n".join(f"<tr><th>{html.escape(name)}<td>{html.escape(value)}" for name, value in facts.items())
    encoded = {each.stem: base64.b64encode(each.read_bytes()).decode("ascii") for each in pictures}
    images = "\n".join(
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">' for name, data in encoded.items()
    )
    file.write_text(
        f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
th {{ text-align: left; font-weight: normal; padding-right: 2rem }}
img {{ max-width: 100%; width: 30rem }}
</style>
<h1>{html.escape(title)}</h1>
<table>
{rows}
</table>
{images}
""",
        "utf-8",
    )
    return file
