"""Go through a step again, with its recorded code and inputs, where it ran: here, or in a pod of its own.

    fairlead debug RUN/STEP[/INDEX] [--attempt N] [--pdb | [--] COMMAND …]
    fairlead debug RUN/STEP[/INDEX] --on CONTEXT [--for DURATION] [--local]

Opens a shell in a folder with the code, in which the step's variables are set. There 'again' runs the step with
exactly its inputs, and 'again --pdb' stops where it fails; what you change in the code counts. Nothing of it
becomes part of the run. A folder in which the code was changed is kept. A pod has the step's image, resources and
volumes, and is removed at the end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.flags import split_command
from fairlead.errors import UsageError
from fairlead.quantities import parse_duration

if TYPE_CHECKING:
    from fairlead.runs.debugging import Recorded
    from fairlead.store.opened import Store

_VALUED = {"--attempt", "--folder", "--for"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead debug RUN/STEP[/INDEX] [options] [--] [COMMAND …]"
    parser.add_argument("target", metavar="RUN/STEP[/INDEX]", help="a step; of several instances the one that failed")
    parser.add_argument("--attempt", type=int, metavar="N", help="the attempt of this number; its last one otherwise")
    parser.add_argument("--pdb", action="store_true", help="run it, and stop in Python's debugger where it fails")
    parser.add_argument("--local", action="store_true", help="here, although it ran in a cluster")
    parser.add_argument("--folder", metavar="DIR", help="here: the folder to make, or to go on in; it is kept")
    parser.add_argument(
        "--for", dest="lasting", metavar="DURATION", default="4h", help="in a pod: after how long it is removed (4h)"
    )
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="what to run there; a shell otherwise")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options and the command apart."""
    own, command = split_command(arguments, valued=_VALUED)
    found = parser.parse_args(own)
    found.command = command
    return found


def run(arguments: argparse.Namespace) -> int:
    """Debug the step."""
    from fairlead.runs.debugging import recorded
    from fairlead.runs.finding import find_target
    from fairlead.runs.settings import chosen_context, open_store
    from fairlead.specs.contexts import LOCAL
    from fairlead.worker.debugging.workplace import AGAIN

    if arguments.pdb and arguments.command:
        raise UsageError("--pdb is a command of its own", next=f"leave it away: -- {' '.join(arguments.command)}")
    command = [AGAIN, "--pdb"] if arguments.pdb else arguments.command
    store = open_store()
    found = recorded(store, find_target(store.backend, arguments.target), arguments.attempt)
    if chosen_context() == LOCAL or arguments.local:
        return _here(store, found, command, arguments.folder)
    if arguments.folder:
        raise UsageError("--folder is a folder of this machine", next="debug on this machine: --local")
    return _in_pod(chosen_context(), found, command, arguments.lasting)


def _here(store: Store, found: Recorded, command: Sequence[str], folder: str | None) -> int:
    from fairlead.runs.debugging import differences_here, enter, opened_here

    with opened_here(store, found, Path(folder).expanduser() if folder else None) as place:
        if not command:
            lines = [f"code    {place.project().root}"]
            _introduce(found, [*lines, *_notes((*found.notes, *differences_here(found)))])
        code = enter(place, command)
        edited = list(place.edits())
    if folder is None and edited:
        _say(f"kept {place.folder}, for {', '.join(edited[:3])}{', …' if len(edited) > 3 else ''} is not as recorded")
        _say(f"  next   go on there: fairlead debug {found.task.run}/{found.title} --folder {place.folder}")
    return code


def _in_pod(context: str, found: Recorded, command: Sequence[str], lasting: str) -> int:
    from fairlead.cli.sessions import run_inside
    from fairlead.cli.terminals import ending_in_order
    from fairlead.runs.debugging_in_pods import opened_in
    from fairlead.targets.pods import MAIN

    lasting_s = _seconds(lasting)
    with ending_in_order(), opened_in(context, found, lasting_s, _say) as opened:
        if not command:
            ends = f"pod     {opened.pod}, for {lasting} at most; what you change goes with it"
            _introduce(found, [ends, *_notes(found.notes)])
        return run_inside(
            opened.client, opened.pod, opened.command(*command), namespace=opened.namespace, container=MAIN
        )


def _seconds(text: str) -> int:
    try:
        found = int(parse_duration(text))
    except ValueError as error:
        raise UsageError(f"--for: {error}", next="write 30m, 4h or 1d") from error
    if found < 1:
        raise UsageError(f"--for takes a duration from 1s, got {text!r}", next="write 30m, 4h or 1d")
    return found


def _introduce(found: Recorded, more: Iterable[str]) -> None:
    """Say what is debugged, and what can be done."""
    _say(f"{found.task.run}/{found.title}   {found.said}")
    for number, (name, shown) in enumerate(found.inputs.items()):
        _say(f"  {'' if number else 'inputs':<7} {name} = {shown}")
    for line in more:
        _say(f"  {line}")
    _say("  again   run the step with these inputs, and the code as it is there")
    _say("          --pdb stops where it fails, --python opens a Python with the inputs")
    _say("  exit    leave; the run stays as it is")


def _notes(notes: Iterable[str]) -> list[str]:
    return [f"note    {each}" for each in notes]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
