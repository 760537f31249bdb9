"""The policy document: what models may be and use on this platform. Empty lists and maps restrict nothing."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from genmodel_operator.policy.pool import AcceleratorPool
from genmodel_operator.section import Described

EVERY_NAMESPACE = "*"
"""Key of ``devicesPerNamespace`` for every namespace that has no entry of its own."""


class LicenseClass(StrEnum):
    """What the terms of a model allow, as far as its card tells."""

    OPEN = "Open"
    NON_COMMERCIAL = "NonCommercial"
    RESEARCH_ONLY = "ResearchOnly"
    CUSTOM = "Custom"
    UNKNOWN = "Unknown"


class AdvisorySeverity(StrEnum):
    """How bad a vulnerability is, by its CVSS score: 9, 7, 4 and more, and the rest."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Exposure(StrEnum):
    """When a server, as it is rendered here, is open to a vulnerability."""

    ALWAYS = "Always"
    MEDIA = "Media"
    FLAG = "Flag"
    VARIABLE = "Variable"
    NEVER = "Never"


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)*((a|b|rc)\d+|\.dev\d+|\.post\d+)?", text, re.ASCII):
        raise ValueError("a release such as 0.32.0 is wanted")
    return text


def _repository(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,96}/[A-Za-z0-9_.-]{1,96}", name, re.ASCII):
        raise ValueError("one repository is wanted, as org/name, without wildcards")
    return name


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", text, re.ASCII):
        raise ValueError(
            "a commit is wanted, with all of its 40 hex digits; a branch or tag can be moved to other code"
        )
    return text


def _namespaces(limits: dict[str, int]) -> dict[str, int]:
    for name in limits:
        if name != EVERY_NAMESPACE and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise ValueError(f"{name!r} is neither the name of a namespace nor {EVERY_NAMESPACE!r}")
    return limits


Version = Annotated[str, AfterValidator(_version)]
"""A release of the engine, such as 0.32.0 or 0.11.0rc2."""
Pattern = Annotated[str, Field(min_length=1, max_length=512)]
"""A text in which * stands for any characters and ? for one."""


class AffectedRange(Described):
    """Releases of the engine, from the first that is vulnerable to the one that is not any more."""

    introduced: Version = "0"
    """First vulnerable release."""
    fixed: Version
    """First release that is not vulnerable any more."""


class Advisory(Described):
    """A known vulnerability of the engine."""

    id: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)+$", max_length=64)]
    """Its number, such as CVE-2026-22778."""
    severity: AdvisorySeverity
    """Critical, High, Medium or Low."""
    affected: Annotated[list[AffectedRange], Field(min_length=1)]
    """Vulnerable releases."""
    exposed: Exposure = Exposure.ALWAYS
    """When a server is open to it: Always; Media, where it takes images, audio or video; Flag, where one of flags is
    on its command line; Variable, where one of variables is in its environment; Never, as servers are set up here."""
    flags: list[Annotated[str, Field(pattern=r"^--[a-z0-9-]+$")]] = []
    """Flags of the engine, for exposed Flag."""
    variables: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]] = []
    """Environment variables, for exposed Variable."""
    summary: Annotated[str, Field(min_length=1, max_length=512)]
    """What it is, in one line."""
    source: Annotated[str, Field(max_length=512)] = ""
    """Where it is published."""


class RemoteCode(Described):
    """Python code of a repository that somebody has read, and that models may run."""

    repository: Annotated[str, AfterValidator(_repository)]
    """The repository as the Hub names it; no wildcards."""
    commits: Annotated[list[Annotated[str, AfterValidator(_commit)]], Field(min_length=1)]
    """Commits at which its code may run: all 40 hex digits of each."""


class Policy(Described):
    """What models may be and use."""

    allowed_publishers: list[Pattern] = []
    """Publishers of models: organisations such as mistralai, or repositories such as Qwen/Qwen3-*; * and ? are
    wildcards. Empty: all. Example: [mistralai, "Qwen/Qwen3-*"]."""
    allowed_license_classes: list[LicenseClass] = []
    """Classes of licences: Open, NonCommercial, ResearchOnly, Custom, Unknown. Empty: all. Example: [Open]."""
    license_classes: dict[str, LicenseClass] = {}
    """Classes of licences that the operator does not know, or sees otherwise, by the name on the model card.
    Example: {acme-internal: Open}."""
    allow_gated: bool = True
    """Whether gated repositories may be served."""
    remote_code: list[RemoteCode] = []
    """Repositories whose own Python code may run in the pods of models that say so by spec.trust.remoteCode, each at
    commits that somebody has read. Empty: none. Example:
    [{repository: acme/own, commits: [0123456789abcdef0123456789abcdef01234567]}]."""
    allowed_engine_images: list[Pattern] = []
    """Images that users may choose by spec.engine.image; * and ? are wildcards. Those of engines are always allowed.
    Empty: all. Example: ["registry.example.com/vllm/*"]."""
    devices_per_namespace: Annotated[dict[str, Annotated[int, Field(ge=0)]], AfterValidator(_namespaces)] = {}
    """Accelerators that the models of a namespace may have together; the key * is for every other namespace.
    Namespaces without an entry have no limit. Example: {team-a: 8, "*": 2}."""
    allowed_precisions: list[Literal["FP8"]] = []
    """Formats that weights and KV caches may be narrowed to where a model fits in no other way. Example: [FP8]."""
    prices: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Price of one device for one hour by product, in any currency: spec.accelerator.policy Cheapest takes the least,
    and products without a price come last. Example: {NVIDIA-L4: 0.71, NVIDIA-H100-80GB-HBM3: 3.9}."""
    pools: list[AcceleratorPool] = []
    """Pools that scale from zero: candidates of a plan before their first node is there; with inventory.mode pools all
    nodes that count. In place of accelerators.pools, which needs a restart to be read again; only one of the two may
    be set. Example:
    [{name: l4, product: NVIDIA-L4, devices: 1, nodes: 4, labels: {cloud.google.com/gke-nodepool: l4}}]."""
    advisories: list[Advisory] = []
    """Vulnerabilities of the engine beside those that the operator knows; one of the same id replaces it. Example:
    [{id: CVE-2027-1, severity: High, affected: [{fixed: 0.34.0}], summary: "..."}]."""
    ignored_advisories: list[str] = []
    """Ids of vulnerabilities that are not reported. Example: [CVE-2026-114051]."""
