"""A Hub outside the demo's cluster: the public one, or that of HF_ENDPOINT.

Tried with a Hub on the machine itself, reached by the machine's name; the public Hub is unproven.
"""

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from examples.demo.screen import DemoError

ENDPOINT_VARIABLE = "HF_ENDPOINT"
PUBLIC_HUB = "https://huggingface.co"
REACH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OuterHub:
    """A Hub that answers this machine; `host_loopback` where its name means the machine's own loopback."""

    endpoint: str
    host_loopback: bool


def endpoint_of(environ: Mapping[str, str]) -> str:
    """Return the Hub that a person means."""
    return (environ.get(ENDPOINT_VARIABLE) or PUBLIC_HUB).rstrip("/")


def outer_hub(environ: Mapping[str, str]) -> OuterHub:
    """Return the Hub for a cluster on this machine; DemoError where it or its pods cannot reach it."""
    endpoint = endpoint_of(environ)
    host = urlsplit(endpoint).hostname or ""
    if _means_the_pod_itself(host):
        raise DemoError(
            f"{ENDPOINT_VARIABLE}={endpoint}: in a pod {host} is the pod itself; use a name of this machine instead, "
            f"such as http://{socket.gethostname()}:PORT"
        )
    try:
        addresses = {str(one[4][0]) for one in socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)}
        with urllib.request.urlopen(f"{endpoint}/api/models?limit=1", timeout=REACH_SECONDS):
            pass
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise DemoError(
            f"MODEL needs the Hub at {endpoint}, which this machine cannot reach ({error}); "
            "leave MODEL out to use the demo's own models"
        ) from error
    return OuterHub(endpoint, any(ip_address(one).is_loopback for one in addresses))


def _means_the_pod_itself(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
