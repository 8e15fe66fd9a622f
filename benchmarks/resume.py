"""How long a run of n steps that was killed near its end takes to go on. Prints one JSON document.

The run's driver is killed with SIGKILL once all but a few dozen steps have ended. What is measured is the time
from the command `fairlead resume` to the first new step, with the SQL index there and deleted.

    python benchmarks/resume.py [--steps 10000] [--repetitions 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from measuring import summary

FLOW = Path(__file__).parent / "flows" / "fairlead_resume.py"
LEFT = 40


def command(home: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    """Return a command of fairlead and its environment."""
    source = str(Path(__file__).resolve().parents[1] / "src")
    return [sys.executable, "-m", "fairlead", *words], {**os.environ, "FAIRLEAD_HOME": str(home), "PYTHONPATH": source}


def killed_run(home: Path, steps: int) -> str:
    """Start a run and kill its driver near the end; returns the run's id."""
    words, environment = command(home, "run", str(FLOW), "--n", str(steps), "-q")
    driver = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    while driver.poll() is None:
        folders = list((home / "runs").glob("*/attempts"))
        if folders and len(os.listdir(folders[0])) >= steps - LEFT:
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            return folders[0].parent.name
        time.sleep(0.02)
    raise SystemExit("the run ended before it could be killed; give more steps")


def first_new_step_s(home: Path, run: str) -> float:
    """Resume a run, and return the seconds to the start of its first new attempt."""
    started = time.time()
    words, environment = command(home, "resume", run, "-q", "-o", "json")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    times = [
        datetime.fromisoformat(attempt["started"]).timestamp()
        for step in document["steps"]
        for attempt in step["attempts"]
    ]
    return min(each for each in times if each >= started - 0.001) - started


def main() -> None:
    """Measure with and without the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairlead-benchmark-") as folder:
        original = Path(folder) / "original"
        run = killed_run(original, options.steps)
        words, environment = command(original, "ps", "-a")
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
        figures: dict[str, list[float]] = {"with index": [], "index deleted": []}
        for _ in range(options.repetitions):
            for case, walls in figures.items():
                home = Path(folder) / "copy"
                shutil.copytree(original, home)
                if case == "index deleted":
                    for file in home.glob("index.sqlite*"):
                        file.unlink()
                walls.append(first_new_step_s(home, run))
                shutil.rmtree(home)
    report = {case: summary(walls) for case, walls in figures.items()}
    print(json.dumps({"benchmark": "resume", "steps": options.steps, "first_new_step_s": report}, indent=2))


if __name__ == "__main__":
    main()
