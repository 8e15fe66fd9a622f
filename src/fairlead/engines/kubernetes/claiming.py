"""The templates of claims that a run's pods refer to: created once each, and gone with what the run became.

A pod whose template is not there yet waits for it: the cluster's controller looks for it again.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.engines.kubernetes.inside.owning import Owner, create_owned, owner_of
from fairlead.kube.client import Client
from fairlead.kube.resources import Kind
from fairlead.specs.contexts import Submission
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.flow_table import flow_target
from fairlead.targets.hardware import claims


class Claims:
    """Creates the templates of the claims of one run's steps.

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

    def make(self, steps: Iterable[Step]) -> None:
        """Create those of some steps, as far as they are not there.

        Raises:
            UsageError: The cluster does not serve their kind.
            ClusterError: It refuses, or can't be reached.
        """
        for manifest in claims(self._submission, steps):
            name = manifest["metadata"]["name"]
            if name not in self._made:
                create_owned(self._client, manifest, self._owning())
                self._made.add(name)

    def _owning(self) -> Owner:
        if self._owner is None:
            name, namespace = naming.run_name(self._submission), self._submission.namespace
            kind = Kind(*flow_target(self._submission.targets).resource)
            self._owner = owner_of(kind, self._client.get(kind, name, namespace=namespace, metadata_only=True))
        return self._owner
