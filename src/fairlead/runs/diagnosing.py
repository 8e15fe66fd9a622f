"""Why a workload is as it is: of the cluster that is chosen, or of a bundle."""

from __future__ import annotations

from pathlib import Path

from fairlead.errors import NotFoundError, UsageError
from fairlead.insight.why import Answer, explain
from fairlead.runs.clusters import Place, open_place
from fairlead.runs.settings import chosen_context
from fairlead.runs.snapshotting import subject_of, take
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot
from fairlead.specs.contexts import LOCAL

_BUNDLES = (".tgz", ".tar", ".tar.gz", "/")


def answer(text: str, namespace: str) -> Answer:
    """Say why a workload is pending or has failed.

    Args:
        text: ``KIND/NAME``, the name of a pod, or a bundle's file or folder, with the name after a colon where it was
            taken of a whole namespace.
        namespace: Another namespace than the context's; empty for that.

    Raises:
        NotFoundError: There is no such object.
        UsageError: The bundle can't be read, or no cluster is chosen.
        ClusterError: The cluster can't be reached.
    """
    file, _, within = text.partition(":")
    if file.endswith(_BUNDLES):
        snapshot = bundles.read(Path(file))
        if not within and not snapshot.meta.subject:
            raise NotFoundError(
                f"the bundle {file} does not say what it is of", next=f"write {file}:KIND/NAME, such as {file}:job/fit"
            )
        return explain(snapshot, subject_of(snapshot, within or snapshot.meta.subject, namespace))
    place = _chosen_place()
    where = namespace or place.namespace
    snapshot = take(place.client, where, subject=text)
    return explain(snapshot, subject_of(snapshot, text, where))


def taken(namespace: str, subject: str) -> Snapshot:
    """Take a snapshot of the cluster of the chosen context."""
    place = _chosen_place()
    return take(place.client, namespace or place.namespace, subject=subject)


def _chosen_place() -> Place:
    name = chosen_context()
    if name == LOCAL:
        raise UsageError(
            "no cluster is chosen",
            why="on this machine there are no pods and no jobs",
            next="fairlead why KIND/NAME --on CONTEXT   or, of a bundle, fairlead why bundle.tgz:KIND/NAME",
        )
    return open_place(name)
