"""Write the tables of the fields that Kubernetes' kinds have, or check that they are up to date.

    python tools/fields.py [--check] FOLDER

A table holds facts alone: names, types, and which values are allowed. FOLDER has the definitions they are taken from,
none of which is part of this repository: files of the components' repositories or Go modules, packed with gzip or not,
and a `MANIFEST.tsv` that says where each is from, with the columns `file`, `repo`, `path` and `ref`. What Kubernetes
itself has is taken from an API server of that version, whose description also has the words that a field can hold:

    kubectl get --raw /openapi/v3/apis/batch/v1 > FOLDER/openapi/apis__batch__v1.json

What FOLDER lacks is left as it is, and named. To add a kind, add the file that defines it to its component below.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TABLES = Path(__file__).parents[1] / "src/fairlead/targets/fields"


class Component(NamedTuple):
    """A project, the version of it that is read, and the files there that define kinds."""

    name: str
    repository: str
    version: str
    folder: str
    files: tuple[str, ...]


COMPONENTS = (
    Component(
        "Argo Workflows", "argoproj/argo-workflows", "v3.7.18", "manifests/base/crds/full",
        ("argoproj.io_cronworkflows.yaml", "argoproj.io_workflows.yaml", "argoproj.io_workflowtemplates.yaml"),
    ),
    Component(
        "Dask Kubernetes", "dask/dask-kubernetes", "2025.4.3",
        "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator/crds",
        ("daskautoscaler.yaml", "daskcluster.yaml", "daskjob.yaml", "daskworkergroup.yaml"),
    ),
    Component(
        "JobSet", "kubernetes-sigs/jobset", "v0.12.0", "config/components/crd/bases",
        ("jobset.x-k8s.io_jobsets.yaml",),
    ),
    Component(
        "KServe", "kserve/kserve", "v0.20.0", "config/crd/full",
        ("serving.kserve.io_inferenceservices.yaml", "serving.kserve.io_servingruntimes.yaml"),
    ),
    Component(
        "KubeRay", "ray-project/kuberay", "v1.7.0", "ray-operator/config/crd/bases",
        ("ray.io_rayclusters.yaml", "ray.io_raycronjobs.yaml", "ray.io_rayjobs.yaml", "ray.io_rayservices.yaml"),
    ),
    Component(
        "Kueue", "kubernetes-sigs/kueue", "v0.19.2", "config/components/crd/bases",
        (
            "kueue.x-k8s.io_admissionchecks.yaml", "kueue.x-k8s.io_clusterqueues.yaml", "kueue.x-k8s.io_cohorts.yaml",
            "kueue.x-k8s.io_localqueues.yaml", "kueue.x-k8s.io_resourceflavors.yaml",
            "kueue.x-k8s.io_topologies.yaml", "kueue.x-k8s.io_workloadpriorityclasses.yaml",
            "kueue.x-k8s.io_workloads.yaml",
        ),
    ),
    Component(
        "LeaderWorkerSet", "kubernetes-sigs/lws", "v0.10.0", "config/crd/bases",
        ("leaderworkerset.x-k8s.io_leaderworkersets.yaml",),
    ),
    Component(
        "MPI Operator", "kubeflow/mpi-operator", "v0.8.0", "manifests/base",
        ("kubeflow.org_mpijobs.yaml",),
    ),
    Component(
        "Scheduler Plugins", "kubernetes-sigs/scheduler-plugins", "v0.34.7", "config/crd/bases",
        ("scheduling.x-k8s.io_podgroups.yaml",),
    ),
    Component(
        "Spark Operator", "kubeflow/spark-operator", "v2.5.2", "config/crd/bases",
        ("sparkoperator.k8s.io_scheduledsparkapplications.yaml", "sparkoperator.k8s.io_sparkapplications.yaml"),
    ),
    Component(
        "Tekton Pipelines", "tektoncd/pipeline", "v1.15.0", "config/300-crds",
        ("300-pipeline.yaml", "300-pipelinerun.yaml", "300-task.yaml", "300-taskrun.yaml"),
    ),
    Component(
        "Trainer", "kubeflow/trainer", "v2.3.0", "manifests/base/crds",
        (
            "trainer.kubeflow.org_clustertrainingruntimes.yaml", "trainer.kubeflow.org_trainingruntimes.yaml",
            "trainer.kubeflow.org_trainjobs.yaml",
        ),
    ),
    Component(
        "Training Operator", "kubeflow/trainer", "v1.9.4", "manifests/base/crds",
        (
            "kubeflow.org_jaxjobs.yaml", "kubeflow.org_mpijobs.yaml", "kubeflow.org_pytorchjobs.yaml",
            "kubeflow.org_tfjobs.yaml", "kubeflow.org_xgboostjobs.yaml",
        ),
    ),
    Component(
        "Volcano", "volcano-sh/volcano", "v1.15.1", "config/crd/volcano/bases",
        ("batch.volcano.sh_jobs.yaml", "scheduling.volcano.sh_podgroups.yaml", "scheduling.volcano.sh_queues.yaml"),
    ),
)  # fmt: skip

KATIB = Component("Katib", "kubeflow/katib", "v0.19.0", "pkg/apis/v1beta1", ("swagger.json",))
"""Its definitions describe nothing: its fields are those of what its clients are generated from."""

KUBERNETES = "v1.34.4"
SERVED: dict[str, tuple[str, ...]] = {
    "api/v1": ("ConfigMap", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"),
    "apis/apps/v1": ("Deployment", "StatefulSet"),
    "apis/batch/v1": ("CronJob", "Job"),
    "apis/networking.k8s.io/v1": ("NetworkPolicy",),
    "apis/policy/v1": ("PodDisruptionBudget",),
    "apis/rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "apis/resource.k8s.io/v1": ("ResourceClaimTemplate",),
}
"""The kinds of Kubernetes itself, by the path of what the API server says of their group."""

_QUANTITY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}


def main() -> int:
    """Write or check all tables of which the folder has the definitions; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a table is out of date")
    arguments = parser.parse_args()
    found, absent = tables(arguments.folder)
    print(*(f"not in {arguments.folder.name}: {each}" for each in absent), sep="\n", end="\n" if absent else "")
    stale = [name for name, table in found.items() if not is_current(name, table)]
    for name in stale:
        print(f"{'out of date' if arguments.check else 'wrote'} {name}")
        if not arguments.check:
            TABLES.mkdir(exist_ok=True)
            (TABLES / name).write_text(text_of(found[name]), "utf-8")
    return 1 if stale and arguments.check else 0


def tables(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return all tables by the names of their files, and the definitions that the folder lacks."""
    found: dict[str, Any] = {}
    absent: list[str] = []
    for component in COMPONENTS:
        for name in component.files:
            path = kept(folder, component, name)
            if path is None:
                absent.append(source(component, name))
            else:
                found.update(defined(component, name, path.read_bytes()))
    schemas: dict[str, Any] = {}
    for place, kinds in SERVED.items():
        dump = folder / f"openapi/{place.replace('/', '__')}.json"
        if dump.exists():
            own = json.loads(dump.read_bytes())["components"]["schemas"]
            found.update(served(place, kinds, own))
            schemas |= own
        else:
            absent.append(f"Kubernetes {KUBERNETES} /openapi/v3/{place}")
    swagger = kept(folder, KATIB, *KATIB.files)
    if swagger and schemas:
        found.update(experiments(json.loads(swagger.read_bytes())["definitions"], schemas))
    else:
        absent.append(source(KATIB, *KATIB.files))
    return found, absent


def source(component: Component, name: str) -> str:
    """Say where a file of a component is from."""
    return f"{component.repository} {component.version} {component.folder}/{name}"


def kept(folder: Path, component: Component, name: str) -> Path | None:
    """Return where a folder has a file of a component; None where it has not."""
    with open(folder / "MANIFEST.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        found = {f"{row['repo']} {row['ref']} {row['path']}": folder / row["file"] for row in rows}
    path = found.get(source(component, name))
    return path if path and path.exists() else None


def is_current(name: str, table: Any) -> bool:
    """Say whether a table's file is what its definition gives."""
    path = TABLES / name
    return path.exists() and path.read_text("utf-8") == text_of(table)


def text_of(table: Any) -> str:
    """Write a table as JSON, with a line for each type, so that changes can be read."""
    head = {name: value for name, value in table.items() if name != "types"}
    types = ",\n".join(json.dumps(each, separators=(",", ":")) for each in table["types"])
    return f'{json.dumps(head)[:-1]}, "types": [\n{types}\n]}}\n'


# Custom resources ----------------------------------------------------------------------------


def defined(component: Component, name: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the table of each kind that a file defines, in the version that is stored."""
    text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    for definition in filter(None, yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
        spec = definition["spec"]
        version = next(each for each in spec["versions"] if each["storage"])
        types = _Types()
        whole = version["schema"]["openAPIV3Schema"]
        types.root(types.of_schema(whole))
        yield (
            f"{spec['group']}_{version['name']}_{spec['names']['kind']}.json",
            {
                "of": f"{component.name} {component.version}",
                "source": source(component, name),
                "rules": _rules(whole),
                "types": types.listed,
            },
        )


def _rules(schema: Any) -> int:
    """Count the rules in CEL, which no table has."""
    if isinstance(schema, list):
        return sum(map(_rules, schema))
    if not isinstance(schema, dict):
        return 0
    own = schema.get("x-kubernetes-validations", [])
    return (len(own) if isinstance(own, list) else 0) + sum(map(_rules, schema.values()))


# Kubernetes itself ---------------------------------------------------------------------------


def served(path: str, kinds: tuple[str, ...], schemas: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the table of each kind that an API server says a group has, and of the metadata that all kinds have."""
    group = path.partition("/")[2].replace("/", "_")
    where = f"kubernetes/kubernetes {KUBERNETES} /openapi/v3/{path}"
    for kind in (*kinds, "ObjectMeta") if path == "api/v1" else kinds:
        (name,) = (each for each in schemas if each.endswith(f".{kind}"))
        yield f"{group}_{kind}.json", described(f"Kubernetes {KUBERNETES}", where, name, schemas)


def experiments(definitions: dict[str, Any], schemas: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the table of Katib's experiments, which hold objects of any kind and types of Kubernetes."""
    core = {f"v1.{name.rpartition('.')[2]}": each for name, each in schemas.items() if ".v1." in name}
    known = schemas | core | definitions | {"v1.unstructured.Unstructured": {"type": "object"}}
    of, where = f"{KATIB.name} {KATIB.version}", source(KATIB, *KATIB.files)
    yield "kubeflow.org_v1beta1_Experiment.json", described(of, where, "v1beta1.Experiment", known)


def described(of: str, where: str, name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the table of a type that has a name among others."""
    types = _Types(schemas)
    types.root(types.of_reference(name))
    return {"of": of, "source": where, "rules": 0, "types": types.listed}


# Types ---------------------------------------------------------------------------------------


class _Types:
    """The types of a table, each once: they name each other by their positions, and the last one is the object."""

    def __init__(self, schemas: dict[str, Any] | None = None) -> None:
        self.listed: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._schemas = schemas  # of Kubernetes itself, whose rules are its own; see `of_served`

    def root(self, place: int) -> None:
        """Put a type last, without what is common to all kinds."""
        whole = self.listed[place]
        common = ("apiVersion", "kind", "metadata")
        fields = {name: each for name, each in whole["fields"].items() if name not in common}
        required = [name for name in whole.get("required", ()) if name not in common]
        own = {name: each for name, each in whole.items() if name not in ("fields", "required")}
        self.listed.append({**own, "fields": fields} | ({"required": required} if required else {}))
        self._drop_unused()

    def _drop_unused(self) -> None:
        used: set[int] = set()
        reached = [len(self.listed) - 1]
        while reached:
            place = reached.pop()
            if place not in used:
                used.add(place)
                each = self.listed[place]
                reached += [
                    *each.get("fields", {}).values(),
                    *(each[key] for key in ("items", "values") if key in each),
                ]
        renamed = {old: new for new, old in enumerate(sorted(used))}
        self.listed = [_renumbered(self.listed[old], renamed) for old in sorted(used)]

    def _put(self, made: dict[str, Any]) -> int:
        key = json.dumps(made, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.listed)
            self.listed.append(made)
        return self._places[key]

    def of_schema(self, schema: Any) -> int:
        """Return the place of a type that a definition has."""
        fields = schema.get("properties", {})
        made: dict[str, Any] = {}
        if schema.get("x-kubernetes-int-or-string"):
            made["type"] = "int-or-string"
        elif "type" in schema:
            made["type"] = schema["type"]
        if fields or made.get("type") == "object":
            made["fields"] = {name: self.of_schema(each) for name, each in sorted(fields.items())}
        # What has a default is there before it is looked for.
        required = [name for name in schema.get("required", ()) if "default" not in fields.get(name, {})]
        if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties") is True:
            made["open"] = True
        if schema.get("x-kubernetes-embedded-resource"):
            made["object"] = True
        if isinstance(schema.get("additionalProperties"), dict):
            made["values"] = self.of_schema(schema["additionalProperties"])
        if "items" in schema:
            made["items"] = self.of_schema(schema["items"])
        if schema.get("x-kubernetes-list-type") == "map":
            made["keys"] = schema["x-kubernetes-list-map-keys"]
        elif schema.get("x-kubernetes-list-type") == "set" or schema.get("uniqueItems"):
            made["keys"] = []
        return self._put(made | _limits(schema) | ({"required": required} if required else {}))

    def of_reference(self, name: str) -> int:
        """Return the place of a type that an API server has by name."""
        assert self._schemas is not None
        return self.of_served(self._schemas[name])

    def of_served(self, schema: Any) -> int:
        """Return the place of a type of Kubernetes itself, where an empty text is as good as none."""
        if "allOf" in schema:
            (schema,) = schema["allOf"]
        if "$ref" in schema:
            return self.of_reference(schema["$ref"].rpartition("/")[2])
        if "oneOf" in schema:
            is_quantity = {"type": "number"} in schema["oneOf"]
            quantity = {"type": "number-or-string", "pattern": _QUANTITY}
            return self._put(quantity if is_quantity else {"type": "int-or-string"})
        made: dict[str, Any] = {"type": schema["type"]}
        if "properties" in schema:
            made["fields"] = {name: self.of_served(each) for name, each in sorted(schema["properties"].items())}
        elif "additionalProperties" in schema:
            made |= {"fields": {}, "values": self.of_served(schema["additionalProperties"])}
        elif schema["type"] == "object":
            made |= {"fields": {}, "open": True}
        if "items" in schema:
            made["items"] = self.of_served(schema["items"])
        if "required" in schema:
            made["required"] = schema["required"]
        limits = _limits(schema)
        if "enum" in limits:
            limits["enum"] = sorted({"", *limits["enum"]})
        return self._put(made | limits)


def _limits(schema: Any) -> dict[str, Any]:
    """Return which values of its type a schema allows: of text, lists and mappings ``least`` and ``most`` are sizes."""
    word = _LENGTHS.get(schema.get("type", ""), "")
    least, most = schema.get(f"min{word or 'imum'}"), schema.get(f"max{word or 'imum'}")
    known = {"enum": schema.get("enum"), "pattern": schema.get("pattern"), "least": least, "most": most}
    if schema.get("format") in ("int32", "int64", "byte", "date-time"):
        known["format"] = schema["format"]
    return {name: value for name, value in known.items() if value is not None}


def _renumbered(each: dict[str, Any], renamed: dict[int, int]) -> dict[str, Any]:
    places = {key: renamed[each[key]] for key in ("items", "values") if key in each}
    fields = {name: renamed[place] for name, place in each.get("fields", {}).items()}
    return {**each, **places, **({"fields": fields} if "fields" in each else {})}


if __name__ == "__main__":
    sys.exit(main())
