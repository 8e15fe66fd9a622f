"""Pods without a cluster, held to what every engine promises, where they need no cluster for it.

What pods create others for (drivers, sweeps, gangs) is tested on one: tests/engines/kubernetes.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("fairlead.testing.engines")
from engines.declared import KUBERNETES  # noqa: E402
from fairlead.testing.engines import EngineContract  # noqa: E402  # rewritten first


class TestPods(EngineContract):
    differences = KUBERNETES["differences"]
    elsewhere = KUBERNETES["elsewhere"]

    test_a_dynamic_flow_loops_and_maps = None
    test_a_dynamic_flow_is_a_step_of_another = None
    test_a_dynamic_flow_may_catch_what_failed = None
    test_a_dynamic_flow_is_replayed = None
    test_a_sweep_returns_the_best_trial = None
    test_a_sweep_survives_trials_that_fail = None
    test_a_sweep_without_any_trial_that_succeeds_fails = None
    test_ranks_have_the_environment_of_torchrun = None
    test_every_runtime_of_ranks_has_its_environment = None
    test_a_gang_stops_as_one = None
