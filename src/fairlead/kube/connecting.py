"""The choice between a kubeconfig and a pod's own account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.errors import UsageError
from fairlead.kube import kubeconfig as files
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Files

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def connect(
    context: str = "", *, kubeconfig: str = "", namespace: str = "", environment: Mapping[str, str] = os.environ
) -> Connection:
    """Find the connection that a user means, as kubectl does.

    A kubeconfig comes first: `kubeconfig`, else the files of ``KUBECONFIG``, else ``~/.kube/config``. Where there is
    none and this is a pod, it is the pod's service account.

    Args:
        context: A context of the kubeconfig; empty for its current one.
        kubeconfig: One file, in the place of all others.
        namespace: In the place of the context's namespace.
        environment: The environment variables.

    Raises:
        UsageError: No kubeconfig, a damaged one, or a context, cluster or user that it does not have.
    """
    paths = [Path(kubeconfig)] if kubeconfig else files.paths(environment)
    config = files.read(paths, required=bool(kubeconfig))
    if not (config.contexts or context or kubeconfig) and is_in_pod(environment):
        return in_pod(namespace=namespace, environment=environment)
    return files.connection(config, context, namespace=namespace)


def is_in_pod(environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> bool:
    """Say whether this process is in a pod with a service account."""
    return "KUBERNETES_SERVICE_HOST" in environment and (account / "token").is_file()


def in_pod(*, namespace: str = "", environment: Mapping[str, str] = os.environ, account: Path = _ACCOUNT) -> Connection:
    """Return the connection of a pod's service account, whose token is read again as it is rotated.

    Raises:
        UsageError: This process is not in a pod, or its service account is not mounted.

    Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        authority = (account / "ca.crt").read_text()
        own = (account / "namespace").read_text().strip()
    except OSError as error:
        raise UsageError(
            "this is not a pod with a service account",
            where=str(account),
            why=error.strerror or type(error).__name__,
            next="give a kubeconfig, or set automountServiceAccountToken: true in the pod",
        ) from error
    address = f"[{host}]" if ":" in host else host
    return Connection(
        f"https://{address}:{port}",
        Files(token=account / "token"),
        namespace=namespace or own or "default",
        authority=authority,
    )
