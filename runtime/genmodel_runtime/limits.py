"""What one request may ask for: limits that keep it from filling the device or reaching into the network."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from genmodel_runtime.contract import DEFAULT_BODY_BYTES, DEFAULT_CHOICES, DEFAULT_INPUTS

_CHOICES = ("n", "best_of")
_INPUTS = {
    "/v1/completions": ("prompt",),
    "/v1/embeddings": ("input",),
    "/v2/embed": ("texts", "inputs", "images"),
    "/score": ("text_1", "text_2", "data_1", "data_2", "queries", "documents", "items"),
    "/rerank": ("documents",),
}
_MEDIA = frozenset({"image_url", "audio_url", "video_url"})
_NO_CONTENT = frozenset({"tools", "response_format", "structured_outputs", "metadata"})
"""Fields of a request that describe and carry nothing; a schema in them may speak of addresses."""
_VERSIONS = ("/v1", "/v2")


@dataclass(frozen=True)
class Limits:
    """Limits of one request, of GENMODEL_LIMITS."""

    body_bytes: int = DEFAULT_BODY_BYTES
    choices: int = DEFAULT_CHOICES
    """Answers to one prompt."""
    inputs: int = DEFAULT_INPUTS
    """Prompts, texts or documents of one request."""
    media_hosts: tuple[str, ...] = ()
    """Hosts from which the engine may fetch media that a request names."""


class OverLimit(Exception):
    """A request asks for too much; ``field`` is where."""

    def __init__(self, field: str, message: str) -> None:
        """Take the field of the request, and a sentence with the limit."""
        self.field = field
        super().__init__(message)


def read_limits(text: str) -> Limits:
    """Return the limits of a JSON object; what is absent has its default. Raises ``ValueError``."""
    found = json.loads(text or "{}")
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - malformed settings are one kind of error
    if unknown := sorted(found.keys() - {"bodyBytes", "choices", "inputs", "mediaHosts"}):
        raise ValueError(f"{unknown[0]!r} is no limit")
    default = Limits()
    return Limits(
        body_bytes=_whole_number(found, "bodyBytes", default.body_bytes),
        choices=_whole_number(found, "choices", default.choices),
        inputs=_whole_number(found, "inputs", default.inputs),
        media_hosts=_hosts(found, "mediaHosts"),
    )


def may_name_addresses(body: bytes) -> bool:
    """Return whether a request may name an address at all: most do not, and are not searched for one.

    Every field that holds one ends in ``url``, which can be escaped, or written two bytes to the letter.
    """
    return b"url" in body or b"\\u" in body or b"\0" in body


def check_request(document: object, *, path: str, limits: Limits, has_addresses: bool = True) -> None:
    """Raise ``OverLimit`` for the first thing in a parsed request that is too much.

    What is of a wrong type is for the engine to refuse, in its own words. Addresses are looked for only
    where there may be some.
    """
    if not isinstance(document, dict):
        return
    for field in _CHOICES:
        if _number(document.get(field)) > limits.choices:
            raise OverLimit(field, f"{field} is above the limit of {limits.choices} answers to one prompt")
    for field in _INPUTS.get(path, _INPUTS.get(_unversioned(path), ())):
        if (count := _count(document.get(field))) > limits.inputs:
            raise OverLimit(field, f"{field} has {count} entries, above the limit of {limits.inputs}")
    for field, address in _addresses(document) if has_addresses else ():
        if why := _refused(address, limits.media_hosts):
            raise OverLimit(field, f"{field}: {why}")


def _unversioned(path: str) -> str:
    return path[3:] if path.startswith(_VERSIONS) else path


def _number(value: object) -> float:
    """Return a number as the engine would read it, which takes digits in a text, too; 0 where it is none."""
    try:
        return float(value) if isinstance(value, int | float | str) else 0.0
    except OverflowError:
        return float("inf")
    except ValueError:
        return 0.0


def _count(value: object) -> int:
    """Return how many inputs a field has; a list of token ids is one."""
    if not isinstance(value, list):
        return 1
    return 1 if value and isinstance(value[0], int) else len(value)


def _addresses(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every address in a request from which the engine would fetch media, with its field."""
    waiting: list[Any] = [value for key, value in document.items() if key not in _NO_CONTENT]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            yield from _own_addresses(value)
            waiting.extend(value.values())
    for tool in document.get("tools") or () if isinstance(document.get("tools"), list) else ():
        if isinstance(tool, dict) and isinstance(tool.get("server_url"), str):
            yield "server_url", tool["server_url"]


def _own_addresses(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _MEDIA & part.keys():
        found = part[name]
        address = found.get("url") if isinstance(found, dict) else found
        if isinstance(address, str):
            yield name, address
    source = part.get("source")
    if isinstance(source, dict) and isinstance(source.get("url"), str):
        yield "source.url", source["url"]


def _refused(address: str, hosts: tuple[str, ...]) -> str:
    """Return why nothing is fetched from an address, empty where it may be."""
    try:
        parts = urlsplit(address)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    except ValueError:
        return "this address cannot be read; send the media itself as a data: URL"
    if scheme == "data":
        return ""
    if scheme in ("http", "https") and host in hosts and "\\" not in address:
        return ""
    if scheme in ("http", "https"):
        return f"nothing is fetched from {host or 'there'}; send the media itself as a data: URL"
    return f"addresses that begin with {scheme or 'no scheme'}: are not read; send the media itself as a data: URL"


def _whole_number(found: dict[str, Any], name: str, default: int) -> int:
    value = found.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is not a whole number of at least 1")
    return value


def _hosts(found: dict[str, Any], name: str) -> tuple[str, ...]:
    value = found.get(name, [])
    if not isinstance(value, list) or not all(isinstance(host, str) and host for host in value):
        raise ValueError(f"{name} is not a list of host names")
    return tuple(host.lower() for host in value)
