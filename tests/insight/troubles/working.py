"""Workloads of several pods, where one thing brings about another: the first of them is the cause."""

from __future__ import annotations

from insight.troubles.manifests import (
    SMALL,
    Object,
    Trouble,
    apply,
    container,
    deployment,
    job,
    patch,
    replace,
    spec,
    thing,
)

_ARGO = "argoproj.io/v1alpha1"
_RANK = "JOB_COMPLETION_INDEX"
_RANKS = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}
_FIRST_DIES = (
    f"#python\nimport os, time\nrank = os.environ['{_RANK}']\n"
    "if rank == '1':\n    time.sleep(6)\n    raise KeyError('target')\n"
    "time.sleep(12)\nraise RuntimeError('NCCL error: Connection reset by peer')\n"
)
_MEETING = {"subdomain": "j"}
_PACE = "i=0; while [ $i -lt {last} ]; do i=$((i+1)); echo step $i; sleep 2; done; exec sleep 3600"
_ONE_STOPS = f'[ "${_RANK}" = 2 ] && last=7 || last=3600; {_PACE.format(last="$last")}'
_ALL_STOP = f'[ "${_RANK}" = 1 ] && last=7 || last=8; {_PACE.format(last="$last")}'
_NONE_STOPS = _PACE.format(last="3600")
_RIGHTS = (
    thing("Role", "argo", "rbac.authorization.k8s.io/v1", rules=[
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}]),
    thing("RoleBinding", "argo", "rbac.authorization.k8s.io/v1",
          roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "argo"},
          subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "$NS"}]),
)  # fmt: skip


def _template(name: str, script: str, **fields: object) -> Object:
    made = container(script)
    return {"name": name, "container": {**made, "image": "$IMAGE", "resources": SMALL}, **fields}


def _workflow(*templates: Object, entry: str = "main", **fields: object) -> Object:
    return thing("Workflow", "w", _ARGO, spec={"entrypoint": entry, "templates": list(templates), **fields})


def _steps(*names: str) -> Object:
    return {"name": "main", "steps": [[{"name": each, "template": each}] for each in names]}


def _jobset(*scripts: str, **fields: object) -> Object:
    jobs = [
        {"name": f"r{number}", "replicas": 1, "template": {"spec": {"backoffLimit": 0, "template": {
            "spec": {"restartPolicy": "Never", **spec(main=container(script, **fields))}}}}}
        for number, script in enumerate(scripts)
    ]  # fmt: skip
    return thing("JobSet", "s", "jobset.x-k8s.io/v1alpha2", spec={"replicatedJobs": jobs})


_OUT = {"outputs": {"parameters": [{"name": "x", "valueFrom": {"path": "/tmp/absent"}}]}}

TROUBLES = (
    Trouble("straggler", "job/j", (job(_ONE_STOPS, job=_RANKS, **_MEETING),), state="running",
            remedy=(replace(job(_NONE_STOPS, job=_RANKS, **_MEETING)),)),
    Trouble("hang", "job/j", (job(_ALL_STOP, job=_RANKS, **_MEETING),), state="running", patience_s=900.0,
            remedy=(replace(job(_NONE_STOPS, job=_RANKS, **_MEETING)),)),
    Trouble("exception", "job/j", (job(_FIRST_DIES, job=_RANKS),), variant="first-rank", state="failed"),
    Trouble("config-missing", "job/j", (job(main=container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {
        "name": "settings", "key": "a"}}}]), job=_RANKS),), variant="all-ranks",
        remedy=(apply({**thing("ConfigMap", "settings"), "data": {"a": "1"}}),)),
    Trouble("exception", "jobset/s", (_jobset(
        "#python\nimport time\ntime.sleep(3)\nraise KeyError('target')", "sleep 30; exit 0"),), variant="jobset",
        state="failed"),
    Trouble("image-never-pulled", "jobset/s", (_jobset("exec sleep 600", image="localhost/nowhere:1",
            imagePullPolicy="Never"),), variant="jobset", remedy=(replace(_jobset("exec sleep 600")),)),
    Trouble("exception", "workflow/w", (*_RIGHTS, _workflow(
        _steps("load", "fit", "report"), _template("load", "true"),
        _template("fit", "#python\nraise ValueError('no rows')"), _template("report", "true"))),
        variant="workflow", state="failed", remedy=(replace(_workflow(
            _steps("load", "fit", "report"), *(_template(each, "true") for each in ("load", "fit", "report")))),)),
    Trouble("right-missing", "workflow/w", (_workflow(_template("main", "true")),), state="failed",
            remedy=(apply(*_RIGHTS), replace(_workflow(_template("main", "true"))))),
    Trouble("output-missing", "workflow/w", (*_RIGHTS, _workflow(_template("main", "true", **_OUT))), state="failed"),
    Trouble("workflow-invalid", "workflow/w", (*_RIGHTS, _workflow(_steps("absent"))), state="failed",
            remedy=(replace(_workflow(_steps("load"), _template("load", "true"))),)),
    Trouble("suspended", "workflow/w", (*_RIGHTS, _workflow(_template("main", "true"), suspend=True)), state="running",
            variant="workflow", remedy=(patch("workflow/w", '{"spec":{"suspend":null}}'),)),
    Trouble("deadline-of-pod", "workflow/w", (*_RIGHTS, _workflow(
        _template("main", "exec sleep 600", activeDeadlineSeconds=3))), variant="workflow", state="failed"),
    Trouble("more-than-any-node", "workflow/w", (*_RIGHTS, _workflow(
        _steps("load", "fit"), _template("load", "true"), {**_template("fit", "true"), "container": {
            **container("true"), "resources": {"requests": {"cpu": "640"}}}})), variant="workflow",
        state="running"),
    Trouble("suspended", "cronjob/c", (thing("CronJob", "c", "batch/v1", spec={
        "schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": job("true")["spec"]}}),), variant="cronjob",
        state="pending"),
    Trouble("suspended", "deployment/d", (deployment(replicas=0),), variant="scaled-to-none",
            remedy=(patch("deployment/d", '{"spec":{"replicas":1}}'),)),
)  # fmt: skip
