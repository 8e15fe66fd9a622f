"""A real API server accepts an Experiment, and each trial that Katib would make of it."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import JOB, NAMESPACE, POD, Kind
from fairlead.specs.spaces import text_of
from kube.cluster import serving
from servers.apiserver import ApiServer
from targets.sweeps.test_katib_experiment import compiled
from targets.training.test_api_server import definition

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

EXPERIMENT = Kind("kubeflow.org", "v1beta1", "Experiment", "experiments")


def test_the_api_server_accepts_an_experiment_and_its_trials_strictly(api_server: ApiServer) -> None:
    client = Client(api_server.connection(namespace="ml"))
    with suppress(AlreadyExists):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": labels}})
    with serving(client, {EXPERIMENT: definition(EXPERIMENT)}):
        for experiment in compiled():
            assert client.create(EXPERIMENT, experiment, dry_run=True)["metadata"]["name"]
    for experiment in compiled():
        trial = _trial(experiment)
        client.create(JOB, trial, dry_run=True)
        template = trial["spec"]["template"]
        spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
        client.create(POD, {"metadata": {**template["metadata"], "generateName": "p-"}, "spec": spec}, dry_run=True)


def _trial(experiment: dict[str, object]) -> dict[str, object]:
    """Make a trial as Katib does: each parameter is replaced in the text of the template, and the object is named."""
    template = experiment["spec"]["trialTemplate"]  # type: ignore[index]
    values = {each["name"]: _first(each["feasibleSpace"]) for each in experiment["spec"]["parameters"]}  # type: ignore[index]
    values["trial-name"] = "search-abcdefgh"
    text = re.sub(r"\$\{trialParameters\.(.+?)\}", lambda found: values[found[1]], json.dumps(template["trialSpec"]))
    made = json.loads(text)
    return {**made, "metadata": {**made["metadata"], "name": values["trial-name"], "namespace": "ml"}}


def _first(feasible: dict[str, object]) -> str:
    found = feasible["list"][0] if "list" in feasible else feasible["min"]  # type: ignore[index]
    return text_of(str(found))
