"""What a chart's service account asked of the API server, by its audit log, beside what the chart grants."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tests.helm import NAMESPACE, RELEASE, Objects, key_of

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
READS = ("get", "list", "watch")

Grant = tuple[str, str, str]
"""API group, resource with its subresource, verb."""
Span = tuple[str, str]
"""From when to when, as `now` says it."""
EVERYBODY_S: set[Grant] = {("authorization.k8s.io", "selfsubjectaccessreviews", "create")}
"""What the chart's account asks for and everybody may: the chart's own check."""


class Audited(Protocol):
    """A cluster with an audit log."""

    @property
    def audit_log(self) -> Path:
        """One JSON object a line."""
        ...

    def kubectl(self, *args: str) -> str:
        """Return what kubectl prints."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request; ``credential`` is the token that it came with, ``at`` when it arrived (RFC 3339).

    ``is_forbidden``: the right was missing. Quotas, and namespaces that end, answer 403 too.
    """

    group: str
    resource: str
    verb: str
    name: str
    code: int
    credential: str
    at: str
    is_forbidden: bool

    @property
    def grants(self) -> set[Grant]:
        """What was needed for it: an apply that makes its object is a creation too."""
        verbs = {self.verb} | ({"create"} if (self.verb, self.code) == ("patch", 201) else set())
        return {(self.group, self.resource, verb) for verb in verbs}


def requests(cluster: Audited, since: str = "") -> list[Request]:
    """Return the account's requests about objects so far, of all times or since one of `now`."""
    lines = cluster.audit_log.read_text().splitlines()
    found = (request for line in lines if ACCOUNT in line for request in _request(json.loads(line)))
    return [request for request in found if request.at >= since]


def _request(entry: dict[str, Any]) -> Iterator[Request]:
    about = entry.get("objectRef")
    if entry["user"]["username"] != ACCOUNT or about is None:
        return
    subresource = f"/{about['subresource']}" if about.get("subresource") else ""
    credential = entry["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [""])[0]
    yield Request(
        group=about.get("apiGroup", ""),
        resource=about["resource"] + subresource,
        verb=entry["verb"],
        name=about.get("name", ""),
        code=int(entry.get("responseStatus", {}).get("code", 0)),
        credential=credential,
        at=entry["requestReceivedTimestamp"],
        is_forbidden=entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
    )


def used(cluster: Audited, since: str = "") -> set[Grant]:
    """Return every right that was needed so far, of all times or since one of `now`."""
    return {grant for request in requests(cluster, since) for grant in request.grants}


def granted(objects: Objects) -> set[Grant]:
    """Return every right that the chart's roles for its own account hold."""
    bound = {
        (found["roleRef"]["kind"], found["roleRef"]["name"])
        for (kind, _), found in objects.items()
        if kind.endswith("Binding")
    }
    return {
        (group, resource, verb)
        for (kind, _), found in objects.items()
        if (kind, found["metadata"]["name"]) in bound
        for rule in found["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def credential_of(token: str) -> str:
    """Return what the audit log calls a service account's token."""
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"JTI={claims['jti']}"


def now() -> str:
    """Return the present time as the audit log writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def installed(cluster: Audited) -> Objects:
    """Return the roles and bindings of the release as they are in the cluster."""
    args = ("get", "clusterroles,clusterrolebindings,roles,rolebindings", "-A", "-o", "json")
    listed = json.loads(cluster.kubectl(*args, "-l", f"app.kubernetes.io/instance={RELEASE}"))["items"]
    return {(found["kind"], key_of(found)): found for found in listed}


def assert_rights_suffice(cluster: Audited, *, excused: Iterable[Span]) -> None:
    """Hold what the account was refused in the whole life of the cluster, and what it needed, to what it has.

    The other way, that it needs all that it has, is seen where its life is driven
    (tests/apiserver/test_operators_of_the_chart.py): a run of some tests cannot tell.
    """
    spans = list(excused)
    found = [one for one in requests(cluster) if not any(since <= one.at <= until for since, until in spans)]
    status = ("genmodel.dev", "generativemodels/status", "patch")
    assert status in {grant for one in found for grant in one.grants}, f"{len(found)} requests, and never {status}"
    refused = {f"{one.verb} {one.resource}.{one.group} {one.name}".strip() for one in found if one.is_forbidden}
    assert not refused, f"the operator lacks rights that the chart should grant: {sorted(refused)}"
    needed = {grant for one in found if one.code < 400 for grant in one.grants}
    elsewhere = needed - granted(installed(cluster)) - EVERYBODY_S
    assert not elsewhere, f"needed, and granted by somebody else: {sorted(elsewhere)}"
