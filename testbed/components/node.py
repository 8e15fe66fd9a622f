"""The node: containerd, kubelet and kube-proxy.

They share a mount namespace of their own, which containerd's process begins: what they mount (images, volumes,
network namespaces) is seen by nobody else, and is gone with the last of their processes. ``/run`` and the folders
that can't be configured elsewhere are the state folder's there, and the resolver is the cluster's.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from .. import asking, network
from ..building import build
from ..certificates import Certificate, kubeconfig
from ..groups import Group
from ..processes import Process, records
from ..state import State, write
from .control_plane import node_is_ready, server

NAME = "testbed"
PORTS = {10248: "kubelet", 10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy"}
PAUSE = "localhost/pause:1"
# Folders that a component insists on, and which of the state folder's it is given in their place.
_PRIVATE = {
    "/var/lib/cni": "pods/results",
    "/var/log/containers": "pods/links",
    "/etc/kueue/metrics/certs": "kueue",
}


def certificates(address: str) -> list[Certificate]:
    """Return the certificates of the kubelet and of kube-proxy."""
    return [
        Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NAME}", [f"DNS:{NAME}", f"IP:{address}"]),
        Certificate("kube-proxy", "/CN=system:kube-proxy"),
    ]


def containerd(state: State) -> Process:
    """Return containerd, which begins the node's mount namespace."""
    folder = state.folder
    configuration = folder / "containerd.toml"
    write(configuration, _containerd_toml(state))
    write(folder / "pods/network/10-bridge.conflist", network.plugins(state))
    write(folder / "resolv.conf", f"nameserver {network.LOCAL}\nsearch svc.cluster.local cluster.local\n")
    lines = ["set -e", "mount --make-rshared /", "mount -t tmpfs run /run"]
    for theirs, mine in _PRIVATE.items():
        (folder / mine).mkdir(parents=True, exist_ok=True)
        lines += [f"mkdir -p {theirs}", f"mount --bind {folder / mine} {theirs}"]
    lines += [f"mount --bind {folder / 'resolv.conf'} /etc/resolv.conf", 'exec "$@"']
    write(folder / "enter.sh", "\n".join(lines) + "\n")
    inside: list[str | Path] = ["unshare", "--mount", "--propagation", "slave", "/bin/sh", folder / "enter.sh"]
    return Process(
        "containerd",
        [*inside, build("containerd") / "containerd", "--config", configuration],
        lambda: asking.over_socket(state.containerd_socket),
    )


def _containerd_toml(state: State) -> str:
    paths = (*(state.folder / name for name in ("containerd", "run", "pods/network")), state.registries)
    root, run, plugins, registries = (json.dumps(str(path)) for path in paths)
    # By its path: a containerd of the machine may have put another one where programs are looked for.
    shim = json.dumps(str(build("containerd") / "containerd-shim-runc-v2"))
    return f"""\
version = 3
root = {root}
state = {run}
[grpc]
  address = {json.dumps(str(state.containerd_socket))}
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = {registries}
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true  # a machine without CAP_SYS_RESOURCE can't lower a score
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = {plugins}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = {shim}
"""


def leave_no_folders() -> None:
    """Remove the empty folders of the machine that others were mounted upon."""
    for folder in _PRIVATE:
        with contextlib.suppress(OSError):  # it is not there, or somebody else uses it
            os.removedirs(folder)


def entering(state: State) -> list[str]:
    """Return the command that runs another one in the node's mount namespace."""
    return ["nsenter", f"--mount=/proc/{records(state)['containerd'].pid}/ns/mnt", "--"]


def kubelet(state: State, address: str, group: Group) -> Process:
    """Return the kubelet, which registers the node."""
    folder, keys = state.folder, state.certificates
    # The host's own name servers: the kubelet refuses to give a pod the cluster's as those of the host.
    write(folder / "resolv-outside.conf", Path("/etc/resolv.conf").read_text("utf-8"))
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(keys / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(keys / "kubelet.crt"),
        "tlsPrivateKeyFile": str(keys / "kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": group.pods,
        "failCgroupV1": False,
        "featureGates": {"ImageVolume": True},  # as Kubernetes 1.35 has it by itself
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{state.containerd_socket}",
        "clusterDNS": [network.LOCAL],
        "clusterDomain": "cluster.local",
        "resolvConf": str(folder / "resolv-outside.conf"),
        "podLogsDir": str(folder / "pods/logs"),
        "makeIPTablesUtilChains": False,
        "imageGCHighThresholdPercent": 100,  # an image that is removed can't be fetched again
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "maxPods": 200,
        "registryPullQPS": 0,
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
    }
    write(folder / "kubelet.json", json.dumps(configuration, indent=1))
    kubeconfig(state, folder / "kubeconfigs/kubelet", "kubelet", server(address))
    return Process(
        "kubelet",
        [
            build("kubernetes") / "kubelet",
            f"--config={folder / 'kubelet.json'}",
            f"--kubeconfig={folder / 'kubeconfigs/kubelet'}",
            f"--root-dir={folder / 'kubelet'}",
            f"--hostname-override={NAME}",
            f"--node-ip={address}",
        ],
        lambda: node_is_ready(state, address, NAME),
        in_node=True,
    )


def kube_proxy(state: State, address: str) -> Process:
    """Return kube-proxy, with nftables."""
    kubeconfig(state, state.folder / "kubeconfigs/kube-proxy", "kube-proxy", server(address))
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NAME,
        "clusterCIDR": network.PODS,
        "clientConnection": {"kubeconfig": str(state.folder / "kubeconfigs/kube-proxy")},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [f"{network.LOCAL}/32"],
        # 0: leave the machine's own limits of connection tracking alone
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    write(state.folder / "kube-proxy.json", json.dumps(configuration, indent=1))
    return Process(
        "kube-proxy",
        [build("kubernetes") / "kube-proxy", f"--config={state.folder / 'kube-proxy.json'}"],
        lambda: asking.over_http("127.0.0.1", 10256, "/livez"),
        in_node=True,
    )
