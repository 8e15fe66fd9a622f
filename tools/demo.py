"""Run the main example, and end with its accuracy and the commands to look further: what ``make demo`` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FLOW = "examples/digits/flow.py"


def main(arguments: list[str]) -> int:
    """Run the flow with its flags; returns the exit code of the run."""
    fairlead = os.path.relpath(Path(sys.executable).with_name("fairlead"))
    code = subprocess.run([fairlead, "run", FLOW, *arguments], check=False).returncode
    if code:
        return code
    read = subprocess.run([fairlead, "get", "latest", "-o", "json"], check=True, capture_output=True, text=True)
    run = json.loads(read.stdout)
    accuracy = next(step["metrics"]["accuracy"] for step in run["steps"] if step["name"] == "evaluate")
    commands = {
        f"get {run['run']}": "this table again",
        f"logs {run['run']}/fit": "what both processes of the training wrote",
        f"artifacts ls {run['run']}": "everything the steps returned",
        f"artifacts get {run['run']}/report --to report.html": "the report, with the curve and the confusion matrix",
        " ".join(["run", FLOW, *arguments]): "again: nothing is executed, all of it is known",
        f"run {FLOW} --trials 20": "more trials",
    }
    width = max(map(len, commands))
    print(f"\ntest accuracy {accuracy:.4f}\n\nlook further:")
    for command, what in commands.items():
        print(f"  {fairlead} {command:<{width}}   # {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
