"""Who is asking: fixed credentials, files that are rotated, and the plugins that kubeconfigs name.

Credentials stay in memory: they are in no representation, no error and no file.
Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from fairlead.decoding import decoder
from fairlead.kube.failures import CredentialsError

REREAD_S = 60.0
"""After how long a file is read again. Kubelets rotate tokens at 80 % of their life, ten minutes at least."""

EARLY_S = 10.0
"""How long before its end a plugin's token counts as expired, so that it does not expire on the way."""

PLUGIN_S = 120.0
"""How long a plugin may take; some wait for somebody to log in with a browser."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a request brings: the header ``Authorization``, or a client's certificate and key as PEM."""

    authorization: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


def bearer(token: str) -> str:
    """Return the header for a token.

    Raises:
        CredentialsError: It holds what no header can; it is not shown, as the library would show it.
    """
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise CredentialsError("a token has characters that no token has")
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """Return the header for a user with a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Credentials(Protocol):
    """A source of identities. Threads share it."""

    def identity(self) -> Identity:
        """Return the identity to use now.

        Raises:
            CredentialsError: It can't be had.
        """
        ...

    def renew(self) -> bool:
        """Forget what was accepted once, because the server refused it; False where nothing else can come of it."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Credentials that stand in the kubeconfig itself."""

    value: Identity = Identity()

    def identity(self) -> Identity:
        """Return what there is."""
        return self.value

    def renew(self) -> bool:
        """Say that nothing else can come of it."""
        return False


class Files:
    """Credentials in files, which others rotate: read again after a minute, and when the server refuses them.

    Args:
        token: A bearer token.
        certificate: A client's certificate, PEM.
        key: Its key, PEM.
        rest: What stands in the kubeconfig itself.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        *,
        token: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        rest: Identity | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token, self._certificate, self._key = token, certificate, key
        self._rest = rest or Identity()
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Identity | None = None
        self._read_at = 0.0

    def identity(self) -> Identity:
        """Return what the files hold; what they held before where they can't be read for a moment."""
        with self._lock:
            if self._last is None or self._clock() - self._read_at >= REREAD_S:
                try:
                    self._last = self._read()
                except OSError as error:
                    if self._last is None:
                        raise CredentialsError(
                            "cannot read credentials", where=str(error.filename), why=error.strerror or ""
                        ) from error
                self._read_at = self._clock()
            return self._last

    def _read(self) -> Identity:
        token = self._token.read_text() if self._token else ""
        return Identity(
            bearer(token) if token.strip() else self._rest.authorization,
            self._certificate.read_text() if self._certificate else self._rest.certificate,
            self._key.read_text() if self._key else self._rest.key,
        )

    def renew(self) -> bool:
        """Read the files again before the next request."""
        with self._lock:
            self._read_at = float("-inf")
        return True


class Variable(msgspec.Struct):
    """An environment variable of a plugin."""

    name: str
    value: str = ""

    def __repr__(self) -> str:
        return f"Variable({self.name!r})"


class Exec(msgspec.Struct, rename="camel"):
    """The plugin of a user, as a kubeconfig names it."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[Variable] | None = None
    install_hint: str | None = ""
    provide_cluster_info: bool = False
    interactive_mode: Literal["Never", "IfAvailable", "Always"] | None = None

    def __repr__(self) -> str:
        return f"Exec({self.command!r})"


class _Status(msgspec.Struct, rename="camel"):
    expiration_timestamp: datetime | None = None
    token: str | None = ""
    client_certificate_data: str | None = ""
    client_key_data: str | None = ""


class _ExecCredential(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str
    status: _Status


class Plugin:
    """Credentials that a program prints: run again when they expire, and when the server refuses them.

    What the program writes to standard error goes to this process's own, as with kubectl, and into no message.

    Args:
        plugin: The program and how to call it; a relative path is one of `folder`.
        folder: The kubeconfig's folder.
        cluster: What the program is told of the cluster, if it wants to know.
        environment: The environment variables that it inherits.
        now: Seconds since 1970.
    """

    VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

    def __init__(
        self,
        plugin: Exec,
        folder: Path,
        cluster: Mapping[str, Any],
        *,
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._plugin, self._folder, self._cluster = plugin, folder, cluster
        self._environment, self._now = environment, now
        self._lock = threading.Lock()
        self._last: Identity | None = None
        self._expires = float("inf")

    def identity(self) -> Identity:
        """Return what the program printed last, or run it."""
        with self._lock:
            if self._last is None or self._now() >= self._expires - EARLY_S:
                self._last, self._expires = self._run()
            return self._last

    def renew(self) -> bool:
        """Run the program again before the next request."""
        with self._lock:
            self._last = None
        return True

    def _run(self) -> tuple[Identity, float]:
        printed = self._printed()
        try:
            found = decoder(_ExecCredential).decode(printed)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._failure("it printed no ExecCredential") from None  # the text itself holds the token
        if found.kind != "ExecCredential" or found.api_version != self._plugin.api_version:
            raise self._failure(f"it printed another kind or version than {self._plugin.api_version}")
        status = found.status
        if not status.token and not (status.client_certificate_data and status.client_key_data):
            raise self._failure("it printed neither a token nor a certificate with its key")
        identity = Identity(
            bearer(status.token) if status.token else "",
            status.client_certificate_data or "",
            status.client_key_data or "",
        )
        expires = status.expiration_timestamp
        return identity, expires.timestamp() if expires else float("inf")

    def _printed(self) -> bytes:
        mode = self._plugin.interactive_mode or "IfAvailable"
        interactive = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
        if mode == "Always" and not interactive:
            raise self._failure("it wants to ask something, and there is no terminal")
        try:
            done = subprocess.run(
                [self._program(), *(self._plugin.args or ())],
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env={**self._environment, **self._variables(interactive)},
                timeout=PLUGIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._failure(f"it took longer than {PLUGIN_S:g} s") from None
        except OSError as error:
            raise self._failure(error.strerror or type(error).__name__) from error
        if done.returncode:
            raise self._failure(f"it ended with {done.returncode}")
        return done.stdout

    def _program(self) -> str:
        command = self._plugin.command
        return str(self._folder / command) if os.sep in command else command

    def _variables(self, interactive: bool) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._plugin.provide_cluster_info:
            spec["cluster"] = dict(self._cluster)
        info = {"apiVersion": self._plugin.api_version, "kind": "ExecCredential", "spec": spec}
        own = {each.name: each.value for each in self._plugin.env or ()}
        return {**own, "KUBERNETES_EXEC_INFO": json.dumps(info)}

    def _failure(self, why: str) -> CredentialsError:
        hint = " ".join((self._plugin.install_hint or "").split())
        return CredentialsError(
            f"the credentials plugin {self._plugin.command!r} failed",
            why=why,
            next=hint or "run it by hand to see what it says; its own messages stand above",
        )
