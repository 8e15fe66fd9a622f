"""The simulator against a real Kueue: the same work admitted, with the same flavors, after each thing that happens.

What Kueue did is kept as data, which the fast tests play again. `FAIRLEAD_RECORD=1` keeps what it does now instead, and
`FAIRLEAD_SEEDS` names some scenarios of them all. A machine that is busy shows what Kueue has not yet come to:

    FAIRLEAD_RECORD=1 pytest -m components tests/queues/test_on_kueue.py -n 0
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.queues.admission import Queues
from fairlead.queues.specs import FairSharing
from queues.random_queues import Scenario, contended, scenario
from queues.real_kueue import Admitted, RealKueue
from servers.kueue import kueue_alone

SCENARIOS = 320
AT_ONCE = 80


class Kind(NamedTuple):
    """Scenarios, how Kueue is set for them, and where it is kept what it did.

    Attributes:
        scenario: By its seed.
        fair: How it shares what is lent, where it does so fairly.
    """

    name: str
    scenario: Callable[[int], Scenario]
    fair: FairSharing | None = None

    @property
    def record(self) -> Path:
        """The file in which it is kept what Kueue did."""
        return Path(__file__).with_name(f"{self.name}.json")

    @property
    def settings(self) -> dict[str, Any]:
        """Of Kueue."""
        return {"fairSharing": {"preemptionStrategies": list(self.fair.strategies)}} if self.fair else {}

    def recorded(self) -> dict[str, Any]:
        """Return what a real Kueue did: by seed, the uids of workloads, and what was admitted after each step."""
        return json.loads(self.record.read_text("utf-8")) if self.record.exists() else {}


KINDS = (Kind("recorded", scenario), Kind("recorded_fair", contended, FairSharing()))
of_each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.name)


def simulated(kind: Kind, seed: int, uids: dict[str, str]) -> tuple[list[Admitted], bool]:
    """Return what the simulator has admitted after each step, and whether it comes to rest."""
    given = kind.scenario(seed)
    queues, found = Queues(given.queues, given.cohorts, kind.fair), list[Admitted]()
    for number, step in enumerate(given.steps):
        if step.what == "submit":
            workload = given.workloads[step.workload]
            queues.submit(msgspec.structs.replace(workload, uid=uids.get(step.workload, workload.uid)))
        else:
            queues.finish(step.workload)
        queues.settle(float(number))
        found.append({
            name: {f"{what.flavor}/{what.resource}": amount for what, amount in usage.items()}
            for name, usage in queues.admitted.items()
        })  # fmt: skip
    return found, not queues.is_restless


@of_each_kind
def test_the_simulator_does_what_a_real_kueue_did(kind: Kind) -> None:
    """Of scenarios that come to rest; where work is taken back without end, the moment of looking decides."""
    compared = 0
    for seed, done in kind.recorded().items():
        found, rests = simulated(kind, int(seed), done["uids"])
        if rests:
            assert found == done["admitted"], seed
            compared += 1
    assert compared >= 300


@pytest.mark.components("kueue")
@pytest.mark.timeout(3000)
@of_each_kind
def test_a_real_kueue_does_what_the_simulator_does(kind: Kind, tmp_path: Path) -> None:
    named = os.environ.get("FAIRLEAD_SEEDS", "").split()
    wanted = [int(each) for each in named] or list(range(SCENARIOS))
    done, wrong = kind.recorded(), list[int]()
    with kueue_alone(tmp_path, kind.settings) as cluster:
        client = Client(connect(kubeconfig=str(cluster.kubeconfig)))
        for first in range(0, len(wanted), AT_ONCE):
            seeds = wanted[first : first + AT_ONCE]
            kueue = RealKueue(client, {f"s{seed}": kind.scenario(seed) for seed in seeds})
            admitted = kueue.play()
            for seed in seeds:
                done[str(seed)] = {"uids": kueue.uids[f"s{seed}"], "admitted": admitted[f"s{seed}"]}
                found, rests = simulated(kind, seed, kueue.uids[f"s{seed}"])
                if rests and found != admitted[f"s{seed}"]:
                    wrong.append(seed)
    if os.environ.get("FAIRLEAD_RECORD"):
        kind.record.write_text(
            json.dumps(done, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n", "utf-8"
        )
    assert not wrong
