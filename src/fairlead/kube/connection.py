"""What a connection to a cluster is. Nothing here opens one: `transport` does."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.kube.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach and convince one API server.

    Args:
        server: Its URL; a path in it is kept.
        credentials: Who is asking.
        namespace: Where objects are looked for when a call names no namespace.
        context: The name of the kubeconfig context, for messages; empty in a pod.
        authority: The certificates to trust, PEM; empty for those of the system.
        server_name: The name that the server's certificate must have, where it is not the URL's host.
        insecure: Accept any certificate.
        proxy: The proxy's URL; empty to follow ``HTTPS_PROXY`` and ``NO_PROXY``.
        headers: Sent with every request: impersonation.
    """

    server: str
    credentials: Credentials = field(repr=False)
    namespace: str = "default"
    context: str = ""
    authority: str = field(default="", repr=False)
    server_name: str = ""
    insecure: bool = False
    proxy: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"context {self.context}, {self.server}" if self.context else self.server
