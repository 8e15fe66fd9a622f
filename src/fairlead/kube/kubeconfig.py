"""Kubeconfig files: read, merged, and made into a connection. They are never written.

The first file that names a cluster, user, context or current context wins; a relative path is one of the folder
of the file it stands in; what is inline stays in memory.
Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Credentials, Exec, Files, Fixed, Identity, Plugin, basic, bearer

T = TypeVar("T")


class Cluster(msgspec.Struct, rename="kebab"):
    """A cluster of a kubeconfig."""

    server: str | None = ""
    certificate_authority: str | None = ""
    certificate_authority_data: str | None = ""
    insecure_skip_tls_verify: bool | None = False
    tls_server_name: str | None = ""
    proxy_url: str | None = ""


class User(msgspec.Struct):
    """A user of a kubeconfig, the names of whose fields follow two fashions."""

    client_certificate: str | None = msgspec.field(name="client-certificate", default="")
    client_certificate_data: str | None = msgspec.field(name="client-certificate-data", default="")
    client_key: str | None = msgspec.field(name="client-key", default="")
    client_key_data: str | None = msgspec.field(name="client-key-data", default="")
    token: str | None = ""
    token_file: str | None = msgspec.field(name="tokenFile", default="")
    username: str | None = ""
    password: str | None = ""
    impersonate: str | None = msgspec.field(name="as", default="")
    impersonate_uid: str | None = msgspec.field(name="as-uid", default="")
    impersonate_groups: list[str] | None = msgspec.field(name="as-groups", default=None)
    exec: Exec | None = None
    auth_provider: dict[str, Any] | None = msgspec.field(name="auth-provider", default=None)

    def __repr__(self) -> str:
        return "User(…)"


class Context(msgspec.Struct):
    """A context of a kubeconfig: a cluster, a user and a namespace."""

    cluster: str | None = ""
    user: str | None = ""
    namespace: str | None = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: Cluster | None = None


class _NamedUser(msgspec.Struct):
    name: str
    user: User | None = None


class _NamedContext(msgspec.Struct):
    name: str
    context: Context | None = None


class _File(msgspec.Struct):
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None
    current_context: str | None = msgspec.field(name="current-context", default="")


class Placed(msgspec.Struct, Generic[T]):
    """An entry and the file it stands in."""

    value: T
    file: Path


class Config(msgspec.Struct):
    """Several files as one."""

    files: tuple[Path, ...] = ()
    clusters: dict[str, Placed[Cluster]] = {}
    users: dict[str, Placed[User]] = {}
    contexts: dict[str, Placed[Context]] = {}
    current_context: str = ""


def paths(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the files that kubectl would read: those of ``KUBECONFIG``, else ``~/.kube/config``."""
    named = [Path(each) for each in environment.get("KUBECONFIG", "").split(os.pathsep) if each]
    return named or [Path(environment.get("HOME") or Path.home()) / ".kube" / "config"]


def read(files: Sequence[Path], *, required: bool = False) -> Config:
    """Read files and merge them: the first to name something wins. A file that is missing is passed over.

    Args:
        files: The files, the most important first.
        required: A missing file is a fault.

    Raises:
        UsageError: A file can't be read, is no YAML or no kubeconfig.
    """
    config = Config()
    for path in dict.fromkeys(files):
        found = _read(path, required)
        if found is None:
            continue
        config.files += (path,)
        config.current_context = config.current_context or found.current_context or ""
        for cluster in found.clusters or ():
            config.clusters.setdefault(cluster.name, Placed(cluster.cluster or Cluster(), path))
        for user in found.users or ():
            config.users.setdefault(user.name, Placed(user.user or User(), path))
        for context in found.contexts or ():
            config.contexts.setdefault(context.name, Placed(context.context or Context(), path))
    return config


def _read(path: Path, required: bool) -> _File | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if not required:
            return None
        _refuse(path, "there is no such file")
    except OSError as error:
        _refuse(path, error.strerror or type(error).__name__)
    import yaml  # lazy: PyYAML, 15 ms; a pod's worker has none, and no kubeconfig

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return msgspec.convert(yaml.load(text, loader) or {}, _File)  # a safe loader, in C where there is one
    except yaml.YAMLError as error:  # its text quotes the file, which may hold secrets: only the line is told
        mark = getattr(error, "problem_mark", None)
        _refuse(path, "it is no YAML" + (f", line {mark.line + 1}" if mark else ""))
    except (msgspec.ValidationError, RecursionError) as error:
        _refuse(path, str(error))


def _refuse(path: Path, why: str) -> NoReturn:
    raise UsageError("cannot read the kubeconfig", where=str(path), why=why) from None


def connection(config: Config, context: str = "", *, namespace: str = "") -> Connection:
    """Make the connection of a context.

    Args:
        config: The merged files.
        context: Its name; empty for the current one.
        namespace: In the place of the context's namespace.

    Raises:
        UsageError: There is no such context, or it names a cluster or user that isn't there or can't be used.
    """
    name = context or config.current_context
    if not name:
        raise UsageError(
            "no Kubernetes context is chosen" if config.contexts else "there is no kubeconfig",
            where=_where(config),
            why=nearest("", config.contexts),
            next="give a context, or `kubectl config use-context NAME`" if config.contexts else "set KUBECONFIG",
        )
    chosen = _entry(config.contexts, name, "context", config).value
    cluster = _entry(config.clusters, chosen.cluster or "", f"cluster (of context {name})", config)
    user = _entry(config.users, chosen.user, f"user (of context {name})", config) if chosen.user else None
    if not cluster.value.server:
        raise UsageError(f"cluster {chosen.cluster!r} has no server", where=str(cluster.file))
    return Connection(
        cluster.value.server.rstrip("/"),
        _credentials(user, cluster) if user else Fixed(),
        namespace=namespace or chosen.namespace or "default",
        context=name,
        authority=_authority(cluster),
        server_name=cluster.value.tls_server_name or "",
        insecure=bool(cluster.value.insecure_skip_tls_verify),
        proxy=cluster.value.proxy_url or "",
        headers=_impersonation(user.value) if user else (),
    )


def _where(config: Config) -> str:
    return ", ".join(map(str, config.files))


def _entry(entries: Mapping[str, Placed[T]], name: str, what: str, config: Config) -> Placed[T]:
    if name not in entries:
        raise UsageError(f"there is no {what} {name!r}", where=_where(config), why=nearest(name, entries))
    return entries[name]


def _authority(cluster: Placed[Cluster]) -> str:
    value = cluster.value
    if value.certificate_authority_data:
        return _decoded(value.certificate_authority_data, "certificate-authority-data", cluster.file)
    if not value.certificate_authority:
        return ""
    path = _beside(cluster.file, value.certificate_authority)
    try:
        return path.read_text()
    except OSError as error:
        raise UsageError(
            "cannot read the certificate authority", where=str(path), why=error.strerror or type(error).__name__
        ) from error


def _beside(file: Path, path: str) -> Path:
    return file.parent / path


def _decoded(data: str, field: str, file: Path) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise UsageError(f"{field} is no base64", where=str(file)) from None  # the text may be a secret


def _credentials(user: Placed[User], cluster: Placed[Cluster]) -> Credentials:
    value, file = user.value, user.file
    if value.auth_provider is not None and value.exec is None:
        raise UsageError(
            "a user with `auth-provider` can't be used: Kubernetes has removed it",
            where=str(file),
            next="let the provider's own tool write the kubeconfig again; it names a plugin (`exec`) today",
        )
    inline = Identity(
        _authorization(value),
        _decoded(value.client_certificate_data or "", "client-certificate-data", file),
        _decoded(value.client_key_data or "", "client-key-data", file),
    )
    if (
        value.token_file
        or (value.client_certificate and not inline.certificate)
        or (value.client_key and not inline.key)
    ):
        return Files(
            token=_beside(file, value.token_file) if value.token_file else None,
            certificate=_path(file, value.client_certificate, inline.certificate),
            key=_path(file, value.client_key, inline.key),
            rest=inline,
        )
    if value.exec is not None and inline == Identity():
        if value.exec.api_version not in Plugin.VERSIONS:
            raise UsageError(
                f"the plugin {value.exec.command!r} speaks {value.exec.api_version!r}",
                where=str(file),
                why=f"known: {', '.join(Plugin.VERSIONS)}",
                next="update the plugin, and let its tool write the kubeconfig again",
            )
        return Plugin(value.exec, file.parent, _told(cluster))
    return Fixed(inline)


def _path(file: Path, path: str | None, inline: str) -> Path | None:
    return _beside(file, path) if path and not inline else None


def _authorization(user: User) -> str:
    if user.token:
        return bearer(user.token)
    return basic(user.username, user.password or "") if user.username else ""


def _told(cluster: Placed[Cluster]) -> dict[str, Any]:
    """Return what a plugin is told of the cluster."""
    value = cluster.value
    told = {
        "server": value.server,
        "tls-server-name": value.tls_server_name,
        "insecure-skip-tls-verify": value.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(_authority(cluster).encode()).decode(),
        "proxy-url": value.proxy_url,
    }
    return {name: each for name, each in told.items() if each}


def _impersonation(user: User) -> tuple[tuple[str, str], ...]:
    one = (("Impersonate-User", user.impersonate), ("Impersonate-Uid", user.impersonate_uid))
    groups = (("Impersonate-Group", each) for each in user.impersonate_groups or ())
    return tuple((name, value) for name, value in (*one, *groups) if value)
