"""etcd and Kubernetes' control plane: API server, controller manager and scheduler."""

from __future__ import annotations

import json

from .. import asking, network
from ..building import build
from ..certificates import Certificate, kubeconfig
from ..processes import Process
from ..state import State

API_PORT = 6443
PORTS = {
    2379: "etcd",
    2380: "etcd",
    API_PORT: "kube-apiserver",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
ETCD = "http://127.0.0.1:2379"
ISSUER = "https://kubernetes.default.svc.cluster.local"


def certificates(address: str) -> list[Certificate]:
    """Return the certificates of the control plane and of the administrator."""
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    addresses = ["127.0.0.1", network.API_SERVICE, address]
    serves = [*(f"DNS:{name}" for name in names), *(f"IP:{each}" for each in addresses)]
    return [
        Certificate("apiserver", "/CN=kube-apiserver", serves),
        Certificate("apiserver-to-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("admin", "/O=system:masters/CN=testbed-admin"),
        Certificate("controller-manager", "/CN=system:kube-controller-manager"),
        Certificate("scheduler", "/CN=system:kube-scheduler"),
    ]


def etcd(state: State) -> Process:
    """Return etcd, which need not survive the machine."""
    return Process(
        "etcd",
        [
            build("etcd") / "etcd",
            f"--data-dir={state.folder / 'etcd'}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        ],
        lambda: asking.over_http("127.0.0.1", 2379, "/readyz"),
    )


def api_server(state: State, address: str) -> Process:
    """Return the API server, on the node's own address: a Service's endpoint may be neither loopback nor link-local."""
    keys = state.certificates
    return Process(
        "kube-apiserver",
        [
            build("kubernetes") / "kube-apiserver",
            f"--etcd-servers={ETCD}",
            f"--bind-address={address}",
            f"--advertise-address={address}",
            f"--secure-port={API_PORT}",
            f"--service-cluster-ip-range={network.SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            "--feature-gates=ImageVolume=true",
            f"--client-ca-file={keys / 'ca.crt'}",
            f"--tls-cert-file={keys / 'apiserver.crt'}",
            f"--tls-private-key-file={keys / 'apiserver.key'}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={keys / 'tokens.key'}",
            f"--service-account-signing-key-file={keys / 'tokens.key'}",
            "--kubelet-preferred-address-types=InternalIP",  # the node's name does not resolve
            f"--kubelet-certificate-authority={keys / 'ca.crt'}",
            f"--kubelet-client-certificate={keys / 'apiserver-to-kubelet.crt'}",
            f"--kubelet-client-key={keys / 'apiserver-to-kubelet.key'}",
            "--profiling=false",
        ],
        lambda: is_ready(state, address),
    )


def is_ready(state: State, address: str) -> bool:
    """Say whether the API server is ready."""
    return asking.over_http(address, API_PORT, "/readyz", tls=asking.as_client(state.certificates, "admin"))


def node_is_ready(state: State, address: str, node: str) -> bool:
    """Say whether the node's condition Ready is True."""
    client = asking.as_client(state.certificates, "admin")
    status, body = asking.get(address, API_PORT, f"/api/v1/nodes/{node}", tls=client)
    if status != 200:
        return False
    conditions = json.loads(body)["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def controller_manager(state: State, address: str) -> Process:
    """Return Kubernetes' own controllers."""
    configuration = _kubeconfig(state, "controller-manager", address)
    return Process(
        "kube-controller-manager",
        [
            build("kubernetes") / "kube-controller-manager",
            f"--kubeconfig={configuration}",
            "--bind-address=127.0.0.1",
            f"--service-account-private-key-file={state.certificates / 'tokens.key'}",
            f"--root-ca-file={state.certificates / 'ca.crt'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
        ],
        lambda: asking.over_http("127.0.0.1", 10257, "/healthz", tls=asking.unverified()),
    )


def scheduler(state: State, address: str) -> Process:
    """Return the scheduler."""
    configuration = _kubeconfig(state, "scheduler", address)
    return Process(
        "kube-scheduler",
        [
            build("kubernetes") / "kube-scheduler",
            f"--kubeconfig={configuration}",
            f"--authentication-kubeconfig={configuration}",
            f"--authorization-kubeconfig={configuration}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ],
        lambda: asking.over_http("127.0.0.1", 10259, "/healthz", tls=asking.unverified()),
    )


def server(address: str) -> str:
    """Return the API server's URL."""
    return f"https://{address}:{API_PORT}"


def _kubeconfig(state: State, name: str, address: str) -> str:
    path = state.folder / "kubeconfigs" / name
    kubeconfig(state, path, name, server(address))
    return str(path)
