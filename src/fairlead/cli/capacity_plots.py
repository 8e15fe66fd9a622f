"""Figures of what capacity is told by, as PNG or SVG; the one module that knows matplotlib.

Nothing of the user's settings of matplotlib counts, and no date is written: the same reports give the same bytes. The
colours are those of Okabe and Ito, which stay apart for people who do not see all of them; lines differ in how they are
dashed too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.errors import MissingExtra, UsageError

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.style import context as style
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise MissingExtra("matplotlib", "plots", "a figure") from error

if TYPE_CHECKING:
    from fairlead.specs.capacity import FragmentationReport, NodeFragmentation, ReplayReport, SimulationReport, Stranded

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.8, 0.9)))
_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.xmargin": 0.01,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "font.family": "DejaVu Sans",
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "fairlead",
    "text.parse_math": False,
}
_COLUMNS_MOST = 5
_ROW_CHARACTERS, _KEY_CHARACTERS = 110, 8
"""So many characters stand in a row of a legend; a line and the space around it takes as much as so many."""
_LABEL_MOST = 60
_NODES_MOST = 30
"""So many nodes have a bar, those that strand most."""
_UNITS = ((3 * 86400, 86400, "days"), (3 * 3600, 3600, "hours"), (180, 60, "minutes"), (0, 1, "seconds"))
"""From so many seconds on time is counted in this unit, which has so many seconds."""


def plot_replays(found: Mapping[str, ReplayReport], file: Path) -> None:
    """Draw what each policy allocated and fragmented over arrivals: the mean, in the band of its deviation."""
    with _figure(file, "Replay: GPUs over what pods have asked for, mean ± standard deviation over seeds") as figure:
        axes = figure.subplots(1, 2, sharex=True)
        for name, one in (("gpu_allocation", axes[0]), ("fragmentation", axes[1])):
            for (policy, report), look in zip(found.items(), _looks(), strict=False):
                curve = getattr(report, name)
                at = [each.arrivals_percent for each in curve]
                one.plot(at, [each.mean for each in curve], label=_label(policy), **look)
                low, high = [each.mean - each.sd for each in curve], [each.mean + each.sd for each in curve]
                one.fill_between(at, low, high, color=look["color"], alpha=0.2, linewidth=0)
            one.set_xlabel("arrived, % of all GPUs")
            _percent(one)
        axes[0].set_ylabel("allocated, % of all GPUs")
        axes[1].set_ylabel("fragmented, % of all GPUs")
        _legend(figure, axes[0])


def plot_simulations(found: Mapping[str, SimulationReport], file: Path) -> None:
    """Draw what was used, fragmented and waiting over time, and how the times of waiting are distributed."""
    with _figure(file, "Simulation: GPUs and jobs over time, and how long jobs wait", height=7.5) as figure:
        (used, lost), (waiting, waits) = figure.subplots(2, 2)
        until = max((report.over_time[0].from_s + report.makespan_s for report in found.values() if report.over_time),
                    default=0)  # fmt: skip
        span, unit = _unit(until)
        longest = max((report.wait.most for report in found.values() if report.wait is not None), default=0)
        wait_span, wait_unit = _unit(longest)
        for (name, report), look in zip(found.items(), _looks(), strict=False):
            points = report.over_time
            edges = [each.from_s / span for each in points]
            edges += [(points[0].from_s + report.makespan_s) / span] if points else []
            for axes, field in ((used, "gpu_allocation"), (lost, "fragmentation"), (waiting, "waiting")):
                values = [getattr(each, field) for each in points]
                axes.step(edges, values + values[-1:], where="post", label=_label(name), **look)
            shares = report.wait_distribution
            at = [0.0, *(each.wait_s / wait_span for each in shares), longest / wait_span]
            below = [0.0, *(each.jobs_percent for each in shares), 100.0]
            waits.step(at if shares else [], below if shares else [], where="post", **look)
        for axes, said in ((used, "allocated, % of all GPUs"), (lost, "fragmented, % of all GPUs")):
            axes.set_ylabel(said)
            _percent(axes)
        waiting.set_ylabel("jobs that wait")
        waiting.set_ylim(bottom=0)
        waiting.yaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (used, lost, waiting):
            axes.set_xlabel(f"time, {unit}")
        waits.set_xlabel(f"wait, {wait_unit}")
        waits.set_ylabel("jobs that waited no longer,\n% of those that began")
        _percent(waits)
        _legend(figure, used)


def plot_fragmentation(found: FragmentationReport, file: Path) -> None:
    """Draw what is stranded of the free GPUs, by cause: of all together, and of the nodes that strand most."""
    rows = [each for each in found.nodes if each.free_gpu_millis]
    shown = rows[:_NODES_MOST]
    height = 3.0 + 0.42 * len(shown)
    with _figure(file, f"Free GPUs, and why they can't be used: {found.subject}", height=height) as figure:
        whole, single = figure.subplots(2, 1, height_ratios=[1, max(1.5, len(shown))])
        _stack(whole, ["all"], [found], found.causes)
        _stack(single, [f"{each.node}\n{each.model}" for each in shown], shown, found.causes)
        if len(shown) < len(rows):
            single.set_ylabel(f"the {len(shown)} of {len(rows)} with most that can't be used")
        _legend(figure, whole)


def _stack(
    axes: Axes,
    names: Sequence[str],
    rows: Sequence[FragmentationReport | NodeFragmentation],
    causes: Sequence[Stranded],
) -> None:
    """Draw a bar for each row, with a part for each cause and one for what can be used; a cause keeps its colour."""
    left = [0.0] * len(rows)
    stranded = [{each.cause: each.gpu_millis for each in row.causes} for row in rows]
    parts = [
        (each.cause, [row.get(each.cause, 0) for row in stranded], colour)
        for each, colour in zip(causes, _COLOURS, strict=True)
        if each.gpu_millis
    ]
    parts.append(("can be used", [row.free_gpu_millis - row.stranded_gpu_millis for row in rows], "#DDDDDD"))
    for name, millis, colour in parts:
        widths = [each / 1000 for each in millis]
        axes.barh(range(len(rows)), widths, left=left, color=colour, edgecolor="white", label=name)
        left = [one + width for one, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.02 * max(left))
    axes.set_xlabel("free GPUs")
    axes.grid(axis="y", visible=False)
    axes.set_axisbelow(True)


def check_file(file: Path) -> None:
    """Refuse a file that no figure can be written to, before anything is calculated for it.

    Raises:
        UsageError: It has no suffix that is known, or there is no such folder.
    """
    if file.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {file} is neither .png nor .svg", next=f"--plot {file.with_suffix('.svg')}")
    if not file.parent.is_dir():
        raise UsageError("there is no such folder", where=str(file.parent), next="make it, or name another one")


@contextmanager
def _figure(file: Path, title: str, *, height: float = 4.5) -> Iterator[Figure]:
    """Give a figure, and write it when all is drawn."""
    with style(["default", _STYLE]):
        figure = Figure(figsize=(10, height))
        figure.suptitle(title)
        yield figure
        # a figure that no window shows is drawn by Agg; an SVG says when it was made unless it is told not to
        metadata = {"Date": None} if file.suffix == ".svg" else {"Software": f"matplotlib {matplotlib.__version__}"}
        try:
            figure.savefig(file, dpi=150, metadata=metadata)
        except OSError as error:
            raise UsageError("the figure can't be written", where=str(file), why=str(error)) from error


def _looks() -> Iterator[dict[str, Any]]:
    """Yield how lines look, each otherwise than those before it."""
    for number in count():
        colour, turn = number % len(_COLOURS), number // len(_COLOURS)
        dash = _DASHES[(colour + turn) % len(_DASHES)]
        yield {"color": _COLOURS[colour], "linestyle": dash, "linewidth": 1.6}


def _percent(axes: Axes) -> None:
    axes.set_ylim(0, None)
    low, high = axes.get_ylim()
    if high > 70:  # near the whole: all of it is shown
        axes.set_ylim(low, 102)


def _unit(seconds: float) -> tuple[int, str]:
    """Return what a time up to so many seconds is counted in: how many seconds that is, and its name."""
    return next((span, name) for least, span, name in _UNITS if seconds >= least)


def _legend(figure: Figure, axes: Axes) -> None:
    """Say what is what, below everything, where it can't cover anything; the figure grows by it."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = max(1, min(_COLUMNS_MOST, _ROW_CHARACTERS // (_KEY_CHARACTERS + max(map(len, labels)))))
        rows = -(-len(handles) // columns)
        figure.set_figheight(figure.get_figheight() + 0.2 * (rows - 1))
        figure.legend(handles, labels, loc="outside lower center", ncols=-(-len(handles) // rows))


def _label(name: str) -> str:
    """Return a name as a legend has it: not too long, and shown too where it begins with ``_``, which hides others."""
    half = _LABEL_MOST // 2
    shown = name if len(name) <= _LABEL_MOST else f"{name[:half]}…{name[-half:]}"
    return f" {shown}" if shown.startswith("_") else shown
