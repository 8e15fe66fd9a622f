"""The claims that a run's pods refer to, of devices and of storage: created once each, and gone with what it became.

A pod whose claim is not there yet waits for it: the cluster's controllers look for it again. The storage that a run's
steps share is found by the workflow of a later submission too, and goes with the last of them.
"""

from __future__ import annotations

from collections.abc import Collection

from fairlead.engines.kubernetes.inside.owning import Owner, create_owned, create_shared, owner_of
from fairlead.kube.client import Client
from fairlead.kube.resources import Kind
from fairlead.specs.contexts import Submission
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.flow_table import flow_target
from fairlead.targets.hardware import claims
from fairlead.targets.volumes import run_claims


class Claims:
    """Creates the claims of one run's steps that are objects of their own.

    Args:
        client: The cluster.
        submission: The run.
        owner: What they go with; the run's own object where it is not given.
    """

    def __init__(self, client: Client, submission: Submission, owner: Owner | None = None) -> None:
        self._client = client
        self._submission = submission
        self._owner = owner
        self._made: set[str] = set()

    def make(self, steps: Collection[Step]) -> None:
        """Create those of some steps, as far as they are not there.

        Raises:
            UsageError: The cluster does not serve their kind.
            ClusterError: It refuses, or can't be reached.
        """
        of_devices = [(create_owned, each) for each in claims(self._submission, steps)]
        of_storage = [(create_shared, each) for each in run_claims(self._submission, steps)]
        for create, manifest in (*of_devices, *of_storage):
            name = manifest["metadata"]["name"]
            if name not in self._made:
                create(self._client, manifest, self._owning())
                self._made.add(name)

    def _owning(self) -> Owner:
        if self._owner is None:
            name, namespace = naming.run_name(self._submission), self._submission.namespace
            kind = Kind(*flow_target(self._submission.targets).resource)
            self._owner = owner_of(kind, self._client.get(kind, name, namespace=namespace, metadata_only=True))
        return self._owner
