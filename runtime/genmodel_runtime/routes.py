"""Which routes of the engine's server are for whom: everything that is not named here is not there.

vLLM registers dozens of routes that read tokens, change weights or stop the engine, and its own key
guards a part of them only. The engine matches a decoded path; here the path as it was sent must be
one of ours, so that no spelling of another route gets by.
"""

import re
from enum import Enum

from genmodel_runtime.contract import TASK_EMBED, TASK_GENERATE, TASK_SCORE

HEALTH = ("GET", "/health")
MODELS = ("GET", "/v1/models")
MESSAGES = "/v1/messages"

_OF_TASK: dict[str, frozenset[tuple[str, str]]] = {
    TASK_GENERATE: frozenset(
        {
            ("POST", "/v1/chat/completions"),
            ("POST", "/v1/completions"),
            ("POST", "/v1/responses"),
            ("POST", MESSAGES),
            ("POST", f"{MESSAGES}/count_tokens"),
        }
    ),
    TASK_EMBED: frozenset({("POST", "/v1/embeddings"), ("POST", "/v2/embed")}),
    TASK_SCORE: frozenset(
        {
            ("POST", "/score"),
            ("POST", "/v1/score"),
            ("POST", "/rerank"),
            ("POST", "/v1/rerank"),
            ("POST", "/v2/rerank"),
        }
    ),
}
_OWN = frozenset({("GET", "/metrics"), ("GET", "/version")})
_RESPONSE = re.compile(r"/v1/responses/[A-Za-z0-9_-]{1,128}(?P<cancel>/cancel)?")
"""A stored answer of ``/v1/responses``."""


class Audience(Enum):
    """Who may use a route."""

    ANYONE = "anyone"
    """Also without an API key: it tells nothing."""
    CLIENTS = "clients"
    RUNTIME = "runtime"
    """The pod's own supervisor, by the key of this start."""
    NOBODY = "nobody"


def audience(task: str, method: str, raw_path: bytes) -> Audience:
    """Return who may use a route of an engine that serves ``task``; ``raw_path`` is as sent, without a query."""
    path = raw_path.decode("latin-1")
    route = (method, path)
    if route == HEALTH:
        return Audience.ANYONE
    if route == MODELS or route in _OF_TASK[task]:
        return Audience.CLIENTS
    if route in _OWN:
        return Audience.RUNTIME
    if task == TASK_GENERATE and _is_stored_response(method, path):
        return Audience.CLIENTS
    return Audience.NOBODY


def _is_stored_response(method: str, path: str) -> bool:
    found = _RESPONSE.fullmatch(path)
    return found is not None and method == ("POST" if found["cancel"] else "GET")
