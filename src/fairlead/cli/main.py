"""The command line's entry: finds the verb, runs it, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from fairlead.errors import FairleadError, UsageError, nearest

VERBS = {
    "run": ("fairlead.cli.run", "run a flow: fairlead run FILE[:FLOW] [--NAME VALUE …]"),
    "sweep": ("fairlead.cli.sweep", "sweep a step of a file over a space: fairlead sweep FILE:STEP --over NAME=SPACE"),
    "render": ("fairlead.cli.render", "print what a flow compiles to: objects of a cluster, or its graph as a spec"),
    "plan": ("fairlead.cli.plan", "say whether a flow would run on a cluster, when, and at what cost"),
    "parity": ("fairlead.cli.parity", "list what of a flow is not honoured on this machine or on a cluster"),
    "publish": ("fairlead.cli.publish", "put a flow into the store of a cluster, for runs that nobody launches"),
    "schedule": ("fairlead.cli.schedule", "have a cluster run flows by itself, at times"),
    "package": ("fairlead.cli.package", "list what of a project travels to where its flow runs"),
    "ps": ("fairlead.cli.ps", "list runs"),
    "get": ("fairlead.cli.get", "show a run and its steps"),
    "logs": ("fairlead.cli.logs", "print what steps have written"),
    "exec": ("fairlead.cli.exec", "run a command, or open a shell, in the pod of a running step"),
    "attach": ("fairlead.cli.attach", "follow what the pod of a running step writes, from now on"),
    "port-forward": ("fairlead.cli.port_forward", "have ports of this machine lead to the pod of a running step"),
    "debug": ("fairlead.cli.debug", "go through a step again, with its recorded code and inputs"),
    "events": ("fairlead.cli.events", "list what happened in a run, in order"),
    "cancel": ("fairlead.cli.cancel", "cancel a run"),
    "resume": ("fairlead.cli.resume", "go on with a run that has not succeeded"),
    "rerun": ("fairlead.cli.rerun", "run again what a run did, with its code and parameters"),
    "rm": ("fairlead.cli.rm", "remove runs"),
    "artifacts": ("fairlead.cli.artifacts", "list, print or open what steps returned"),
    "cache": ("fairlead.cli.cache", "explain why a step was, or was not, found in the cache"),
    "why": ("fairlead.cli.why", "say why something is pending or has failed"),
    "snapshot": ("fairlead.cli.snapshot", "keep a picture of a namespace, for why"),
    "capacity": (
        "fairlead.cli.capacity",
        "say what the GPUs of a cluster do and would do: what is stranded, simulations, MIG",
    ),
    "diff": ("fairlead.cli.diff", "compare two runs"),
    "store": ("fairlead.cli.store", "rebuild the index, check or collect the store"),
    "context": ("fairlead.cli.context", "add, list, choose, check or forget clusters to run on"),
    "targets": ("fairlead.cli.targets", "list what steps of several pods can become on clusters"),
    "image": ("fairlead.cli.image", "build an image with the packages of a lock in a cluster"),
    "recorder": ("fairlead.cli.recorder", "watch the runs of a cluster when no client does"),
    "config": ("fairlead.cli.config", "show the settings and where they come from"),
    "completion": ("fairlead.cli.completion", "print the completion script of a shell"),
    "version": ("fairlead.cli.version", "print the version"),
}
"""Each verb's module and one line of help. Modules are imported when their verb is used."""

HIDDEN = {"_complete": ("fairlead.cli.completing", "list what may stand at the end of a command line, for shells")}
"""Commands for programs."""

EXIT_CODES = {
    0: "done",
    1: "the work failed",
    2: "wrong use or spec",
    3: "store or cluster unreachable or refused",
    4: "not found",
    5: "gave up waiting",
    6: "would not run",
    130: "interrupted",
}
"""What the exit code of every command says."""


_CONTEXT = "FAIRLEAD_CONTEXT"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are Fairlead's, and whose options are never abbreviated."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(f"{self.prog}: {message}", next=f"{self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and end the process with the exit code."""
    sys.exit(call(sys.argv[1:] if arguments is None else list(arguments)))


def call(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    before = os.environ.get(_CONTEXT)
    try:
        return _dispatch(arguments)
    except FairleadError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; nothing may be printed any more, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:  # --on is about this command only, and a process may call several
        os.environ.pop(_CONTEXT, None)
        if before is not None:
            os.environ[_CONTEXT] = before


def run_file(file: str, flow: str, arguments: list[str] | None) -> NoReturn:
    """Run a flow of a file with the arguments of the process: what ``flow.main()`` does."""
    main(["run", f"{file}:{flow}", *(sys.argv[1:] if arguments is None else arguments)])


def parser_of(verb: str) -> tuple[Any, Parser]:
    """Return a verb's module and its parser."""
    module = import_module((VERBS | HIDDEN)[verb][0])
    parser = Parser(
        prog=f"fairlead {verb}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.configure(parser)
    return module, parser


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    verb, *rest = _select_context(arguments)
    if verb == "--version":
        verb = "version"
    if verb not in VERBS and verb not in HIDDEN:
        raise UsageError(f"there is no command {verb!r}", next=f"fairlead --help   ({nearest(verb, VERBS)})")
    module, parser = parser_of(verb)
    read = getattr(module, "parse", None)
    code: int = module.run(read(parser, rest) if read else parser.parse_args(rest))
    return code


def _select_context(arguments: Sequence[str]) -> list[str]:
    """Take ``--on CONTEXT`` out of a command line: it holds for whatever the command reads or runs."""
    rest = list(arguments)
    for place, word in enumerate(rest):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == "--on":
            if not equals and place + 1 == len(rest):
                raise UsageError("--on needs the name of a context", next="fairlead context ls")
            os.environ[_CONTEXT] = value if equals else rest[place + 1]
            del rest[place : place + (1 if equals else 2)]
            break
    return rest


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items()]
    return "\n".join(
        [
            "Fairlead: one typed definition of ML work, run on a laptop and on Kubernetes.",
            "",
            "usage: fairlead COMMAND …",
            "",
            *lines,
            "",
            "fairlead COMMAND --help says more of each. A run is named by its id, a unique part of it, or 'latest'.",
            "--on CONTEXT, with any command, names the cluster that it is about: fairlead context ls",
        ]
    )
