"""CoreDNS, the cluster's name server, on the address that host and pods both reach."""

from __future__ import annotations

from .. import asking, machine, network
from ..building import build
from ..processes import Process
from ..state import State, write

_CLUSTER = """\
cluster.local:53 in-addr.arpa:53 {
  bind %(address)s
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig %(kubeconfig)s
    pods insecure
    ttl 5
  }
}
.:53 {
  bind %(address)s
  errors
  %(outside)s
}
"""


def coredns(state: State) -> Process:
    """Return CoreDNS; names outside the cluster go to the machine's own name servers."""
    outside = " ".join(machine.name_servers())
    values = {
        "address": network.LOCAL,
        "kubeconfig": state.kubeconfig,
        "outside": f"forward . {outside}" if outside else "template ANY ANY {\n    rcode NXDOMAIN\n  }",
    }
    write(state.folder / "Corefile", _CLUSTER % values)
    return Process(
        "coredns",
        [build("coredns") / "coredns", "-conf", state.folder / "Corefile"],
        lambda: asking.over_dns(network.LOCAL, "kubernetes.default.svc.cluster.local", network.API_SERVICE),
    )
