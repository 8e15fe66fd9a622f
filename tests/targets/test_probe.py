"""The pod that opens a store is as restricted as every other, and goes through the queue of runs."""

from __future__ import annotations

import msgspec

from fairlead.specs.contexts import Context
from fairlead.targets.probe import store_probe
from fairlead.targets.restricted import pod_faults

CONTEXT = Context(name="c", store="s3://b/p", store_secret="s", worker_image="i", queue="q", labels={"team": "x"})


def test_it_runs_the_probe_once_with_the_store_s_variables() -> None:
    manifest = store_probe(CONTEXT, "ns", "1f")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert (manifest["metadata"]["name"], manifest["metadata"]["namespace"]) == ("fairlead-check-1f", "ns")
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "q"
    assert container["command"][-2:] == ["fairlead.worker.pods.probe", "--store=s3://b/p"]
    assert (container["image"], container["envFrom"]) == ("i", [{"secretRef": {"name": "s"}}])
    assert (manifest["spec"]["backoffLimit"], manifest["spec"]["template"]["spec"]["restartPolicy"]) == (0, "Never")
    pod = manifest["spec"]["template"]["spec"]
    assert list(pod_faults(pod, pod, "spec")) == []


def test_where_the_worker_is_mounted_it_is_opened_from_there() -> None:
    context = msgspec.structs.replace(CONTEXT, delivery="volume")
    pod = store_probe(context, "ns", "1f")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][1] == "/fairlead/opt/fairlead/start.py"
    assert {"name": "fairlead", "image": {"reference": "i"}} in pod["volumes"]
    assert {"name": "fairlead", "mountPath": "/fairlead", "readOnly": True} in container["volumeMounts"]
    assert list(pod_faults(pod, pod, "spec")) == []
