"""Sweep a step of a file over a space, without a flow around it.

    fairlead sweep FILE:STEP --over 'NAME=SPACE' … --maximize METRIC [--NAME VALUE …]

A space is written as in a file: uniform(0, 1), loguniform(1e-4, 1e-1), integers(2, 8), or a list of choices. Where the
file has a sweep of its own, FILE:SWEEP runs that, and what is given here takes the place of what it says. What is no
option below is a parameter that every trial shares.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fairlead.cli import run as running
from fairlead.cli.display import finish
from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.opening import open_display
from fairlead.errors import UsageError
from fairlead.specs.steps import PRUNERS, SAMPLERS

_TOLD = ("trials", "parallel", "maximize", "minimize", "best_of", "sampler", "pruner", "seed")
_VALUED = running.VALUED | {"--over", *(f"--{name.replace('_', '-')}" for name in _TOLD)}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead sweep FILE:STEP [options] [--NAME VALUE …]"
    parser.add_argument("file", metavar="FILE:STEP", help="the Python file, and the step, or a sweep of the file")
    parser.add_argument(
        "--over", action="append", default=[], metavar="NAME=SPACE", help="sweep a parameter; may be repeated"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="how many trials there are in all; 10")
    parser.add_argument("--parallel", type=int, metavar="N", help="how many run at once; 1")
    parser.add_argument("--maximize", metavar="METRIC", help="the logged name to maximise; or")
    parser.add_argument("--minimize", metavar="METRIC", help="the one to minimise")
    parser.add_argument(
        "--best-of", choices=("last", "max", "min"), help="which of a trial's logged values counts; last"
    )
    parser.add_argument("--sampler", choices=SAMPLERS, help="what proposes parameters; tpe")
    parser.add_argument("--pruner", choices=PRUNERS, help="what ends trials early; none")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the sampler; it follows from the sweep where it is not given"
    )
    running.add_run_options(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``sweep`` and the parameters that all trials share apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=running.SWITCHES, verb="sweep")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Run the sweep."""
    from fairlead.runs.launching import launch
    from fairlead.runs.settings import chosen_context
    from fairlead.runs.sweeping import load_sweep, read_dimension

    file, name = split_target(arguments.file)
    if name is None:
        raise UsageError(f"which step of {file} is to be swept?", next=f"fairlead sweep {file}:STEP")
    given: dict[str, Any] = {each: getattr(arguments, each) for each in _TOLD if getattr(arguments, each) is not None}
    if arguments.over:
        given["over"] = dict(map(read_dimension, arguments.over))
    arguments.parallel = None  # of the sweep, which is all there is
    options = running.read_options(arguments, chosen_context())
    with open_display(quiet=arguments.quiet, form=arguments.output) as display:
        project, flow = load_sweep(file, name, given)
        done = launch(project, flow, flow.read_flags(arguments.flags), options, display)
    return finish(done, arguments.output)
