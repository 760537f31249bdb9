"""Networks in NO_PROXY, which the HTTP client does not know: it takes names, suffixes and single addresses."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def without_proxy(environ: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return the variables to set so that an endpoint in one of NO_PROXY's networks is reached directly.

    As elsewhere, only an endpoint that is given by its address can be in a network: names are not looked up.
    """
    # The lower-case name wins where both are set.
    name = "no_proxy" if "no_proxy" in environ else "NO_PROXY"
    wanted = environ.get(name, "")
    host = urlsplit(endpoint).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return {}
    if any(address in network for network in _networks(wanted)):
        return {name: f"{wanted},{host}"}
    return {}


def _networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for entry in text.split(","):
        if "/" in entry:
            try:
                found.append(ipaddress.ip_network(entry.strip(), strict=False))
            except ValueError:
                continue
    return found
