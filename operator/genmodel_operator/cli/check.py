"""``genmodel check``: what an installation lacks, found by asking and not by serving."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genmodel_operator import __version__
from genmodel_operator.api.crd import CRD_NAME
from genmodel_operator.cli.input import CommandError, read_documents
from genmodel_operator.hub.reach import HubAwayError, reach
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.definition import definition_problem
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.kube.kinds import ACCESS_REVIEW
from genmodel_operator.settings import Settings

_RBAC_WAY_OUT = "install the chart's RBAC again (rbac.create), or have the right granted to the operator's account"
_HUB_WAY_OUT = "hub.endpoint, proxy.httpsProxy and extraCA.configMap are the chart's values for the way there"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``problem`` is None where it is right."""

    subject: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; an empty namespace is the whole cluster, an empty name every object."""

    verb: str
    group: str
    resource: str
    name: str
    namespace: str

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {what}{named} {f'in {self.namespace}' if self.namespace else 'in the whole cluster'}"

    def review(self) -> dict[str, Any]:
        """Return the question whether we have it."""
        resource, _, subresource = self.resource.partition("/")
        attributes = {
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "name": self.name,
            "namespace": self.namespace,
        }
        return {
            "metadata": {},
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }


async def check(rights_file: str | None, *, settings: Settings, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return what was found, as text, and whether all is right. Raises ``CommandError`` on wrong input."""
    rights = list(read_rights(rights_file)) if rights_file else None
    try:
        client = await KubeClient.connect(settings, environ=environ)
    except ConnectionConfigError as error:
        raise CommandError(f"no API server: {error}") from error
    try:
        findings = [await _definition(client)]
        if rights is not None:
            findings += await _rights(client, rights)
        findings.append(await _hub(settings))
    finally:
        await client.close()
    return _text(findings), not any(found.problem for found in findings)


def read_rights(filename: str) -> Iterator[Right]:
    """Yield the rights of the roles in a file. Raises ``CommandError``."""
    for document in read_documents(filename):
        for grant in document if isinstance(document, list) else [document]:
            try:
                namespace, rules = str(grant.get("namespace") or ""), grant["rules"]
                yield from (right for rule in rules for right in _rights_of(rule, namespace))
            except (AttributeError, KeyError, TypeError) as error:
                raise CommandError(f"{filename}: a list of roles with rules is wanted") from error


def _rights_of(rule: Mapping[str, Any], namespace: str) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames") or [""]:
                for verb in rule["verbs"]:
                    yield Right(verb, group, resource, name, namespace)


async def _definition(client: KubeClient) -> Finding:
    try:
        problem = await definition_problem(client)
    except KubeError as error:
        problem = f"the API server does not answer: {error}"
    return Finding(f"{CRD_NAME} is served with every field of version {__version__}", problem)


async def _rights(client: KubeClient, rights: Sequence[Right]) -> list[Finding]:
    answers = await asyncio.gather(*(_missing(client, right) for right in rights))
    problems = [problem for problem in answers if problem]
    if problems:
        return [Finding("rights", problem) for problem in problems]
    return [Finding(f"all {len(rights)} rights that the operator needs are there")]


async def _missing(client: KubeClient, right: Right) -> str | None:
    try:
        answer = await client.create(ACCESS_REVIEW, right.review())
    except KubeError as error:
        return f"{right}: cannot be asked: {error}"
    return None if answer.get("status", {}).get("allowed") else f"{right}: missing; {_RBAC_WAY_OUT}"


async def _hub(settings: Settings) -> Finding:
    hub = settings.hub
    try:
        status = await asyncio.to_thread(reach, hub.endpoint, timeout_seconds=hub.timeout_seconds)
    except HubAwayError as error:
        return Finding("the Hub", f"{hub.endpoint} does not answer: {error}; {_HUB_WAY_OUT}")
    return Finding(f"the Hub {hub.endpoint} answers ({status})")


def _text(findings: Sequence[Finding]) -> str:
    return "".join(f"FAIL  {found.problem}\n" if found.problem else f"ok    {found.subject}\n" for found in findings)
