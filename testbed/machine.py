"""What the machine must bring: programs of the distribution, an address, free ports."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
from pathlib import Path

from .commands import run
from .faults import TestbedError

# A file of each package of Debian 12 that is needed, to see without a package manager whether it is there.
PACKAGES = {
    "buildah": "/usr/bin/buildah",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "debootstrap": "/usr/sbin/debootstrap",
    "gcc": "/usr/bin/gcc",
    "iproute2": "/bin/ip",
    "libc6-dev": "/usr/include/stdlib.h",
    "nftables": "/usr/sbin/nft",
    "openssl": "/usr/bin/openssl",
    "runc": "/usr/sbin/runc",
    "util-linux": "/usr/bin/nsenter",
}


def provide_packages() -> None:
    """Install the packages that are missing, as root; refuse otherwise with the line to run.

    Raises:
        TestbedError: This is not root, or the packages could not be installed.
    """
    if os.geteuid() != 0:
        raise TestbedError("the testbed starts containers and needs root: sudo make cluster")
    missing = [package for package, file in PACKAGES.items() if not Path(file).exists()]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise TestbedError(f"these packages of Debian are missing: {', '.join(missing)}")
    install(*missing)


def install(*packages: str) -> None:
    """Install packages of Debian.

    Raises:
        TestbedError: They could not be installed.
    """
    print("installing " + " ".join(packages), flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", environment=quiet)
    run("apt-get", "install", "--yes", "--no-install-recommends", *packages, environment=quiet)


def address() -> str:
    """Return the machine's own IPv4 address, by which pods reach the API server.

    Raises:
        TestbedError: It has none but loopback.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address; nothing is sent, a route is chosen
            return str(probe.getsockname()[0])
        except OSError:  # no default route: any address of an interface does
            pass
    for interface in json.loads(run("ip", "-json", "-4", "address")):
        for entry in interface["addr_info"]:
            found = ipaddress.ip_address(entry["local"])
            if not found.is_loopback and not found.is_link_local:
                return str(found)
    raise TestbedError("the machine has no address but loopback: pods could not reach the API server")


def name_servers() -> list[str]:
    """Return the machine's own name servers, those on loopback left out: a pod can't reach them."""
    lines = [line.split() for line in Path("/etc/resolv.conf").read_text("utf-8").splitlines()]
    found = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    return [each for each in found if not ipaddress.ip_address(each.partition("%")[0]).is_loopback]


def refuse_used(ports: dict[int, str], address: str) -> None:
    """Refuse to start where somebody listens on a port that is needed.

    Args:
        ports: The name of the component by its port.
        address: The node's address.

    Raises:
        TestbedError: A port is in use; the message names it.
    """
    for port, component in ports.items():
        for host in ("127.0.0.1", address):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    raise TestbedError(
                        f"port {port} of {host}, which {component} needs, is in use: another testbed or another"
                        f" Kubernetes is running; see who it is with: ss -ltnp 'sport = :{port}'"
                    ) from None


def mirror(codename: str) -> str:
    """Return where apt fetches a Debian release from on this machine.

    Raises:
        TestbedError: apt knows no such release.
    """
    form = ["--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    for line in run("apt-get", "indextargets", *form).splitlines():
        name, _, uri = line.partition(" ")
        if name == codename:
            return uri
    raise TestbedError(f"apt knows no release {codename}: add its mirror to apt's sources, or build on Debian 12")
