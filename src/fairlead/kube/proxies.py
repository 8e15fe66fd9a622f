"""Which proxy a request goes through, after the variables that kubectl follows.

Source: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config, whose rules kubectl has: addresses as ranges too.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(server: str, environment: Mapping[str, str]) -> str:
    """Return the URL of the proxy for a server; empty where it is asked directly."""
    url = urlsplit(server)
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    proxy = environment.get(name) or environment.get(name.lower()) or ""
    if not proxy or _is_exempt(url.hostname or "", url.port or (443 if url.scheme == "https" else 80), environment):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(host: str, port: int, environment: Mapping[str, str]) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return any(
        _matches(each.strip().lower(), host.lower(), port, address) for each in exempt.split(",") if each.strip()
    )


def _matches(pattern: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if pattern == "*":
        return True
    with contextlib.suppress(ValueError):  # a name
        network = ipaddress.ip_network(pattern, strict=False)
        return address is not None and address in network
    name, colon, asked = pattern.rpartition(":")
    if colon and asked.isdigit():
        if int(asked) != port:
            return False
        pattern = name.strip("[]")
        if _address(pattern) is not None:
            return _address(pattern) == address
    pattern = pattern.removeprefix("*")
    return host.endswith(pattern) if pattern.startswith(".") else host == pattern or host.endswith(f".{pattern}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
