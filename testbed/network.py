"""What the testbed changes in the machine's network, each with the way back.

An address on ``lo`` for the cluster's DNS and the store, which host and pods both reach; forwarding; and one table of
nftables that lets pods reach what lies outside. The bridge is made by its plugin and the table of Services by
kube-proxy; both are removed with the rest.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .commands import run, succeeds
from .state import State, write

PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"  # the first address of SERVICES, by Kubernetes' rule
LOCAL = "169.254.20.10"
BRIDGE = "cni0"
_TABLE = "fairlead-testbed"
_SETTINGS = {"net/ipv4/ip_forward": "1"}
_OPTIONAL = {"net/bridge/bridge-nf-call-iptables": "1"}  # there only once the kernel's module is


_OUTSIDE = f"""\
add table ip {_TABLE}
delete table ip {_TABLE}
table ip {_TABLE} {{
  chain outside {{
    type nat hook postrouting priority srcnat;
    ip saddr {PODS} oifname != {{ "lo", "{BRIDGE}" }} masquerade
  }}
}}
"""


def lay(state: State) -> None:
    """Make the changes, and note what was there before."""
    before = {name: _setting(name).read_text().strip() for name in _SETTINGS | _OPTIONAL if _setting(name).exists()}
    write(state.folder / "network.json", json.dumps(before))
    if shutil.which("modprobe"):  # a kernel without modules has none
        succeeds("modprobe", "br_netfilter")
    for name, value in (_SETTINGS | _OPTIONAL).items():
        if name in _SETTINGS or _setting(name).exists():
            _setting(name).write_text(value)
    run("ip", "address", "replace", f"{LOCAL}/32", "dev", "lo")
    run("nft", "--file", "-", given=_OUTSIDE)


def clear(state: State) -> None:
    """Take every change back, those of the bridge plugin and of kube-proxy included."""
    noted = state.folder / "network.json"
    if not noted.exists():
        return  # nothing was changed since the last time
    for name, value in json.loads(noted.read_text()).items():
        if _setting(name).exists():
            _setting(name).write_text(value)
    succeeds("ip", "address", "delete", f"{LOCAL}/32", "dev", "lo")
    succeeds("ip", "link", "delete", BRIDGE)
    for family, table in (("ip", _TABLE), ("ip", "kube-proxy"), ("ip6", "kube-proxy")):
        succeeds("nft", f"add table {family} {table}; delete table {family} {table}")
    noted.unlink()


def plugins(state: State) -> str:
    """Return the configuration of the pods' network: a bridge, and addresses that are noted in the state folder."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(state.folder / "pods/addresses"),
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "fairlead-testbed", "plugins": [bridge]}, indent=1)


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name
