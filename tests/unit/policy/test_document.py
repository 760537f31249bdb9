"""The policy document: what is read, and how a mistake is named."""

import json

import pytest

from genmodel_operator.policy.document import Advisory, AffectedRange, LicenseClass, Policy
from genmodel_operator.policy.parse import PolicyError, parse_policy

EVERYTHING = """
allowedPublishers: [mistralai, "Qwen/Qwen3-*"]
allowedLicenseClasses: [Open, Custom]
licenseClasses: {acme-internal: Open}
allowGated: false
remoteCode: [{repository: acme/own, commits: [0123456789abcdef0123456789abcdef01234567]}]
allowedEngineImages: ["registry.example.com/vllm/*"]
devicesPerNamespace: {team-a: 8, "*": 2}
allowedPrecisions: [FP8]
prices: {NVIDIA-L4: 0.71, NVIDIA-H100-80GB-HBM3: 4}
pools: [{name: l4, product: NVIDIA-L4, devices: 1, nodes: 4, labels: {cloud.google.com/gke-nodepool: l4}}]
advisories:
  - id: CVE-2027-1
    severity: High
    affected: [{introduced: 0.30.0, fixed: 0.34.0}]
    exposed: Flag
    flags: [--enable-lora]
    summary: an adapter reads what it should not
    source: https://example.com/CVE-2027-1
ignoredAdvisories: [CVE-2026-114051]
"""


def test_every_key_is_read() -> None:
    found = parse_policy(EVERYTHING)
    assert found.allowed_publishers == ["mistralai", "Qwen/Qwen3-*"]
    assert found.license_classes == {"acme-internal": LicenseClass.OPEN}
    assert found.allow_gated is False
    assert found.devices_per_namespace == {"team-a": 8, "*": 2}
    assert found.prices == {"NVIDIA-L4": 0.71, "NVIDIA-H100-80GB-HBM3": 4}
    assert found.advisories == [
        Advisory(
            id="CVE-2027-1",
            severity="High",
            affected=[AffectedRange(introduced="0.30.0", fixed="0.34.0")],
            exposed="Flag",
            flags=["--enable-lora"],
            summary="an adapter reads what it should not",
            source="https://example.com/CVE-2027-1",
        )
    ]
    default = Policy()
    assert [name for name in Policy.model_fields if getattr(found, name) == getattr(default, name)] == []


def test_an_empty_mapping_restricts_nothing() -> None:
    assert parse_policy("{}") == Policy()


def test_what_is_written_by_the_program_itself_is_read_again() -> None:
    found = parse_policy(EVERYTHING)
    assert parse_policy(json.dumps(found.model_dump(mode="json", by_alias=True))) == found


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("", "the document is empty; {} is a policy that restricts nothing", id="nothing"),
        pytest.param("# all of it\n", "the document is empty", id="only a comment"),
        pytest.param("[mistralai]", "a mapping is wanted, not list", id="a list"),
        pytest.param("a: [", "not YAML: while parsing a flow node", id="half a document"),
        pytest.param(
            "allowedPublisher: [a]",
            "allowedPublisher: there is no such key; did you mean allowedPublishers?",
            id="a misspelt key",
        ),
        pytest.param(
            "formats: [Pickle]",
            "formats: there is no such key: only safetensors files are served, whatever a policy says",
            id="formats, which no policy can allow",
        ),
        pytest.param("zzz: 1", "zzz: there is no such key; allowed are allowedPublishers, ", id="an unknown key"),
        pytest.param("allowedPublishers: mistralai", "allowedPublishers: ", id="a word for a list"),
        pytest.param('allowedPublishers: [""]', "allowedPublishers.0: ", id="an empty pattern, which allows nothing"),
        pytest.param('allowGated: "no"', 'allowGated: "no" is not allowed: ', id="a word for a switch"),
        pytest.param("allowedLicenseClasses: [open]", "'Open', 'NonCommercial'", id="a class in small letters"),
        pytest.param("licenseClasses: {a: Free}", "licenseClasses.a: ", id="a class that is none"),
        pytest.param("devicesPerNamespace: {team-a: -1}", "devicesPerNamespace.team-a: -1", id="less than none"),
        pytest.param("devicesPerNamespace: {team-a: many}", "devicesPerNamespace.team-a: ", id="a word for devices"),
        pytest.param("devicesPerNamespace: {team_a: 1}", "'team_a' is neither the name of a namesp", id="no namespace"),
        pytest.param("prices: {NVIDIA-L4: -0.5}", "prices.NVIDIA-L4: -0.5", id="a price below nothing"),
        pytest.param("allowedPrecisions: [INT4]", "allowedPrecisions.0: ", id="a precision nothing is narrowed to"),
        pytest.param(
            "advisories: [{id: CVE-1-1, severity: High, summary: s}]",
            "advisories.0.affected: ",
            id="an advisory without releases",
        ),
        pytest.param(
            "advisories: [{id: CVE-1-1, severity: High, summary: s, affected: [{fixed: next}]}]",
            "advisories.0.affected.0.fixed: ",
            id="a release that is none",
        ),
        pytest.param(
            "advisories: [{id: CVE-1-1, severity: High, summary: s, affected: [{fixed: 0.34}]}]",
            "advisories.0.affected.0.fixed: ",
            id="a number for a release, of which YAML drops zeros",
        ),
        pytest.param(
            "remoteCode: [{repository: acme/*, commits: [0123456789abcdef0123456789abcdef01234567]}]",
            'remoteCode.0.repository: "acme/*" is not allowed: one repository is wanted',
            id="code of everything of a publisher",
        ),
        pytest.param(
            "remoteCode: [{repository: acme/own, commits: [main]}]",
            'remoteCode.0.commits.0: "main" is not allowed: a commit is wanted, with all of its 40 hex digits',
            id="code at a branch",
        ),
        pytest.param(
            "remoteCode: [{repository: acme/own, commits: [0123456789ab]}]",
            "remoteCode.0.commits.0: ",
            id="a short commit",
        ),
        pytest.param("remoteCode: [{repository: acme/own, commits: []}]", "remoteCode.0.commits: ", id="no commit"),
        pytest.param("remoteCode: [{repository: acme/own}]", "remoteCode.0.commits: ", id="code at any commit"),
        pytest.param("pools: [{name: l4, product: L4, devices: 1}]", "pools.0.labels: ", id="a pool without labels"),
        pytest.param(
            "pools: [{name: l4, product: L4, devices: 1, labels: {a: b}, memory: much}]",
            'pools.0.memory: "much" is not allowed: not a Kubernetes quantity',
            id="a pool's memory",
        ),
        pytest.param(
            "pools: [{name: l4, product: L4, devices: 0, labels: {a: b}}]",
            "devices is 0, and the product is L4",
            id="a pool of GPUs without any",
        ),
        pytest.param(
            "pools: [{name: cpu, product: CPU, devices: 1, labels: {a: b}}]",
            "nodes of the product CPU have no devices: set devices to 0",
            id="a pool of CPU nodes with devices",
        ),
        pytest.param(
            'pools: [{name: l4, product: L4, devices: 1, labels: {a: ""}}]',
            "pools.0.labels.a: ",
            id="a label without a value, which no pod can ask for",
        ),
        pytest.param("allowedPublishers: 2026-01-01", "allowedPublishers: ", id="a date"),
    ],
)
def test_a_mistake_is_named_by_its_key(text: str, want: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert want in str(caught.value)


def test_a_quantity_may_be_a_number_as_in_kubernetes() -> None:
    (pool,) = parse_policy("pools: [{name: l4, product: L4, devices: 1, labels: {a: b}, cpu: 16, memory: 64Gi}]").pools
    assert (pool.cpu, pool.memory) == ("16", "64Gi")


def test_every_mistake_is_named() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy("allowGated: 1\nallowedPublishers: {}\n")
    assert len(caught.value.problems) == 2
