"""Kubernetes' own scheduler beside an API server without nodes, with the controller that makes claims of templates.

Both are of the same build as the API server; nodes are whatever a test says, and nothing runs on them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kube.cluster import write_kubeconfig

from . import apiserver
from .processes import Unavailable, stop


@contextmanager
def scheduling(server: apiserver.ApiServer) -> Iterator[None]:
    """Have pods of an API server placed on its nodes.

    Raises:
        Unavailable: The programs were not built here.
    """
    folder = apiserver.programs()["kube-apiserver"].parent
    for name in ("kube-scheduler", "kube-controller-manager"):
        if not (folder / name).exists():
            raise Unavailable(f"there is no {name}: `python -m testbed build kubernetes`")
    with tempfile.TemporaryDirectory(prefix="fairlead-scheduler-") as place:
        kubeconfig = Path(place) / "kubeconfig"
        write_kubeconfig(server, kubeconfig)
        common = (f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
        controllers = ("--controllers=resourceclaim-controller", "--use-service-account-credentials=false")
        started = [
            _run(Path(place), folder / "kube-scheduler", *common),
            _run(Path(place), folder / "kube-controller-manager", *common, *controllers),
        ]
        try:
            yield
        finally:
            for process in started:
                stop(process)


def _run(place: Path, program: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with open(place / f"{program.name}.log", "wb") as log:
        return subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=place, env={"HOME": str(place)})
