"""The policy file under a running operator: who is refused, who is reported, and what a mistake in it does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operator_world import PLATFORM, OperatorWorld
from tests.rollout_world import uids

pytestmark = pytest.mark.apiserver

TINY, GATED, CODE = "acme/tiny-llama", "acme/gated-llama", "acme/remote-code"
POD = {"POD_NAME": "genmodel-policy-test", "POD_NAMESPACE": PLATFORM, "POD_UID": "00000000-0000-4000-8000-000000000001"}
ANYTHING = "{}"


class PolicyOfTheTeam:
    """The document, as a platform team changes it."""

    def __init__(self, world: OperatorWorld, path: Path) -> None:
        self.world, self.path = world, path
        path.write_text(ANYTHING)

    def start(self) -> None:
        self.world.start_operator(settings={"POLICY_FILE": str(self.path)}, pod=POD)

    def read(self, result: str) -> float:
        found = self.world.samples("genmodel_policy_reloads_total")
        return sum(sample.value for sample in found if sample.labels["result"] == result)

    def is_valid(self) -> bool:
        return [sample.value for sample in self.world.samples("genmodel_policy_valid")] == [1]

    def write(self, text: str, *, want: str = "applied") -> None:
        """Change the document, and wait until the running operator has read it."""
        before = self.read(want)
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.rename(self.path)
        self.world.until(lambda: self.read(want) > before, f"the document is {want}")

    def write_any(self) -> None:
        """Allow everything, where that is not so already."""
        if self.path.read_text() != ANYTHING:
            self.write(ANYTHING)


@pytest.fixture(scope="module")
def operator(world: OperatorWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyOfTheTeam]:
    assert world.stop_operator() == 0
    found = PolicyOfTheTeam(world, tmp_path_factory.mktemp("policy") / "policy.yaml")
    found.start()
    try:
        yield found
    finally:
        world.stop_operator()
        world.start_operator()


@pytest.fixture
def policy(operator: PolicyOfTheTeam) -> Iterator[PolicyOfTheTeam]:
    yield operator
    operator.write_any()


def advisories(world: OperatorWorld, severity: str) -> float:
    found = world.samples("genmodel_runtime_advisories")
    return sum(sample.value for sample in found if sample.labels["severity"] == severity)


@pytest.mark.parametrize(
    ("document", "model", "spec", "want_reason", "want_words"),
    [
        pytest.param(
            "allowedPublishers: [mistralai, Qwen]",
            TINY,
            {},
            "PublisherNotAllowed",
            "spec.model: acme/tiny-llama is not of a publisher that the operator's policy allows (mistralai, Qwen); "
            "choose a model of one of them, or have the platform team add acme to policy.allowedPublishers",
            id="publisher",
        ),
        pytest.param(
            "allowedLicenseClasses: [Custom]",
            TINY,
            {},
            "LicenseNotAllowed",
            "spec.model: acme/tiny-llama has the licence apache-2.0, which is of the class Open; the operator's policy "
            "allows Custom; choose a model with such a licence",
            id="licence",
        ),
        pytest.param(
            "allowGated: false",
            GATED,
            {},
            "GatedNotAllowed",
            "spec.model: acme/gated-llama is gated, and the operator's policy allows no gated repositories; choose "
            "another model, or have the platform team set policy.allowGated to true",
            id="gated",
        ),
        pytest.param(
            'allowedEngineImages: ["registry.example.com/vllm/*"]',
            TINY,
            {"engine": {"image": "docker.io/own/vllm:v0.32.0"}},
            "EngineImageNotAllowed",
            "spec.engine.image: docker.io/own/vllm:v0.32.0 is not an image that the operator's policy allows "
            "(registry.example.com/vllm/*); leave spec.engine.image out",
            id="engine image",
        ),
    ],
)
def test_a_new_model_is_refused_before_anything_exists_and_served_once_it_is_allowed(
    world: OperatorWorld,
    team: str,
    policy: PolicyOfTheTeam,
    document: str,
    model: str,
    spec: dict[str, Any],
    want_reason: str,
    want_words: str,
) -> None:
    world.token(team, "good")
    policy.write(document)
    world.wish(team, "wish", model, **spec)
    world.assert_shown(
        team,
        "wish",
        reason=want_reason,
        words=want_words,
        event=f"Warning {want_reason}",
        row={"READY": "False", "REPLICAS": "0/1", "URL": ""},
    )
    assert world.list(team, "deployments,services,controllerrevisions,pods") == []

    policy.write(ANYTHING)

    world.wait_for(team, "wish", "Serving")


def test_a_model_that_runs_is_reported_and_its_pods_stay_and_a_mistake_changes_nothing(
    world: OperatorWorld, team: str, policy: PolicyOfTheTeam
) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    pods = uids(world.list(team, "pods"))

    policy.write("allowedPublishers: [mistralai]")
    world.assert_shown(
        team,
        "tiny",
        reason="Serving",
        words=(
            "it goes on as it is, but the operator's policy would refuse it as a new model: spec.model: acme/",
            "Type: PolicyViolated",
        ),
        event="Warning NoLongerAllowed",
        row={"READY": "True", "REPLICAS": "1/1"},
    )
    world.until(
        lambda: any(
            sample.labels == {"namespace": team, "name": "tiny", "type": "PolicyViolated", "status": "True"}
            for sample in world.samples("genmodel_condition")
        ),
        "the metric tells",
    )

    policy.write("allowedPublisher: [acme]", want="refused")
    problem = f"{policy.path}: allowedPublisher: there is no such key; did you mean allowedPublishers?"
    assert not policy.is_valid()
    assert problem in world.operator_log()
    selector = f"involvedObject.kind=Pod,involvedObject.name={POD['POD_NAME']},reason=PolicyInvalid"
    world.until(lambda: len(world.list(PLATFORM, "events", "--field-selector", selector)) == 1, "an Event tells")
    (event,) = world.list(PLATFORM, "events", "--field-selector", selector)
    assert (event["type"], event["involvedObject"]["uid"]) == ("Warning", POD["POD_UID"])
    assert f"{problem}; the policy before it stays in force" in event["message"]
    world.wish(team, "another")
    world.wait_for(team, "another", "PublisherNotAllowed")
    assert world.condition(team, "tiny", "PolicyViolated")["reason"] == "NoLongerAllowed"

    policy.write("allowedPublishers: [mistralai, acme]")
    assert policy.is_valid()
    world.wait_for(team, "another", "Serving")
    world.until(lambda: not world.condition(team, "tiny", "PolicyViolated"), "it is allowed again")
    assert pods <= uids(world.list(team, "pods")), "no pod was touched"


def test_code_of_a_repository_runs_where_model_and_policy_agree_on_the_commit(
    world: OperatorWorld, team: str, policy: PolicyOfTheTeam
) -> None:
    world.wish(team, "own", CODE)
    world.assert_shown(
        team,
        "own",
        reason="RemoteCodeRequired",
        words="or set spec.trust.remoteCode to true, and have the platform team read that code and add {repository: "
        "acme/remote-code, commits: [",
        event="Warning RemoteCodeRequired",
        row={"READY": "False", "REPLICAS": "0/1", "URL": ""},
    )
    world.cluster.kubectl(
        "-n", team, "patch", "gm", "own", "--type=merge", "-p", '{"spec":{"trust":{"remoteCode":true}}}'
    )
    world.assert_shown(
        team, "own", reason="RemoteCodeNotAllowed", words="to policy.remoteCode", event="Warning RemoteCodeNotAllowed"
    )
    assert world.list(team, "deployments,services,controllerrevisions,pods") == []

    # What the message says is what has to be added, and nothing else.
    message = world.condition(team, "own", "ModelResolved")["message"]
    entry = re.search(r"add (\{repository: acme/remote-code, commits: \[[0-9a-f]{40}\]\}) to", message)
    assert entry is not None, message
    policy.write(f"remoteCode: [{entry[1]}]")
    world.wait_for(team, "own", "Serving")
    (deployment,) = world.list(team, "deployments")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"].count("--trust-remote-code") == 1
    assert {"name": "GENMODEL_ALLOW", "value": "RemoteCode"} in spec["initContainers"][0]["env"]
    assert world.get(team, "gm", "own")["status"]["model"]["remoteCode"] == "config.json"
    pods = uids(world.list(team, "pods"))

    policy.write(ANYTHING)
    world.until(lambda: bool(world.condition(team, "own", "PolicyViolated")), "a permission that is gone is reported")
    assert (
        "does not allow the Python code of acme/remote-code"
        in world.condition(team, "own", "PolicyViolated")["message"]
    )
    world.wish(team, "another", CODE, trust={"remoteCode": True})
    world.wait_for(team, "another", "RemoteCodeNotAllowed")
    assert world.condition(team, "own", "Ready")["status"] == "True"
    assert pods <= uids(world.list(team, "pods")), "no pod was touched"


def test_two_models_share_the_devices_of_their_namespace(
    world: OperatorWorld, team: str, policy: PolicyOfTheTeam
) -> None:
    policy.write('devicesPerNamespace: {"*": 2}')
    world.wish(team, "first", accelerator={"kind": "GPU", "count": 1}, replicas=2)
    world.wait_for(team, "first", "Serving")
    pods = uids(world.list(team, "pods"))
    world.wish(team, "second", accelerator={"kind": "GPU", "count": 1})
    world.assert_shown(
        team,
        "second",
        reason="DeviceLimitReached",
        words=f"1 x 1 devices are too many: the namespace {team} may have 2 by the operator's policy, and its other "
        "models have 2; suspend or delete a model there",
        event="Warning DeviceLimitReached",
        row={"READY": "False", "REPLICAS": "0/1", "URL": ""},
    )
    assert {found["metadata"]["labels"]["genmodel.dev/model"] for found in world.list(team, "deployments")} == {"first"}

    world.cluster.kubectl("-n", team, "scale", "gm", "first", "--replicas=3")
    world.assert_shown(
        team,
        "first",
        reason="DeviceLimitReached",
        words="3 x 1 devices are too many",
        row={"READY": "False", "REPLICAS": "2/3"},
    )
    assert uids(world.list(team, "pods")) == pods, "those that run stay, and no other one is made"

    world.cluster.kubectl("-n", team, "scale", "gm", "first", "--replicas=1")
    world.wait_for(team, "first", "Serving")
    world.wait_for(team, "second", "Serving")

    policy.write('devicesPerNamespace: {"*": 1}')
    world.until(lambda: bool(world.condition(team, "first", "PolicyViolated")), "what is too much is reported")
    world.until(lambda: bool(world.condition(team, "second", "PolicyViolated")), "of both")
    assert len(world.list(team, "pods", "--field-selector=status.phase=Running")) >= 2


def test_a_pool_that_is_added_is_planned_for_at_once(world: OperatorWorld, team: str, policy: PolicyOfTheTeam) -> None:
    world.wish(team, "waits", accelerator={"kind": "GPU", "products": ["NVIDIA-H200"]})
    world.until(lambda: world.condition(team, "waits", "Planned").get("status") == "False", "nothing is there for it")
    assert world.list(team, "deployments") == []

    policy.write("pools: [{name: spare, product: NVIDIA-H200, devices: 8, labels: {example.com/pool: spare}}]")

    world.until(lambda: world.condition(team, "waits", "Planned").get("status") == "True", "the pool is a candidate")
    assert "The pool spare has no such node yet" in world.get(team, "gm", "waits")["status"]["plan"]["explanation"]
    world.until(lambda: len(world.list(team, "deployments")) == 1, "its pods ask for the pool")
    (deployment,) = world.list(team, "deployments")
    assert "example.com/pool" in json.dumps(deployment["spec"]["template"]["spec"])


def test_vulnerable_engines_are_told_with_what_is_known_of_them(
    world: OperatorWorld, team: str, policy: PolicyOfTheTeam
) -> None:
    world.wish(team, "old", engine={"image": "docker.io/vllm/vllm-openai:v0.29.0"})
    world.wish(team, "odd", engine={"image": "registry.example.com/own:latest"})
    world.wish(team, "plain")
    world.assert_shown(
        team,
        "old",
        reason="Serving",
        words=(
            "its engine, vLLM 0.29.0, has known vulnerabilities that it is open to: CVE-2026-114051 (High: ",
            "PYSEC-2026-4199 (Medium: ",
            "serve it with vLLM 0.32.0 or later: set spec.engine.image to such an image",
            "Type: RuntimeVulnerable",
        ),
        event="Warning KnownVulnerabilities",
    )
    world.assert_shown(
        team,
        "odd",
        reason="Serving",
        words=("the image registry.example.com/own:latest names no release of vLLM", "Reason: EngineVersionUnknown"),
    )
    world.wait_for(team, "plain", "Serving")
    assert not world.condition(team, "plain", "RuntimeVulnerable")
    assert (advisories(world, "Critical"), advisories(world, "High")) == (0, 1)

    policy.write(
        "ignoredAdvisories: [CVE-2026-114051]\n"
        "advisories:\n"
        "- {id: CVE-2027-1, severity: Critical, affected: [{introduced: 0.32.0, fixed: 0.33.0}], summary: all}\n"
    )
    world.until(lambda: bool(world.condition(team, "plain", "RuntimeVulnerable")), "the new one is told")
    assert "CVE-2027-1 (Critical: all)" in world.condition(team, "plain", "RuntimeVulnerable")["message"]
    world.until(
        lambda: "CVE-2026-114051" not in world.condition(team, "old", "RuntimeVulnerable")["message"],
        "what is ignored is not told any more",
    )
    world.until(lambda: (advisories(world, "Critical"), advisories(world, "High")) == (1, 0), "the figures follow")
    policy.write(ANYTHING)
    world.until(lambda: not world.condition(team, "plain", "RuntimeVulnerable"), "nothing is known against it")


def test_an_operator_that_starts_with_a_broken_policy_keeps_what_runs_and_admits_nothing(
    world: OperatorWorld, team: str, policy: PolicyOfTheTeam
) -> None:
    world.wish(team, "before")
    world.wait_for(team, "before", "Serving")
    assert world.stop_operator() == 0
    policy.path.write_text("allowGated: perhaps\n")
    policy.start()
    world.wish(team, "after")
    world.assert_shown(
        team,
        "after",
        reason="PolicyInvalid",
        words=f'{policy.path}: allowGated: "perhaps" is not allowed: input should be a valid boolean; nothing new is '
        "admitted until it can, and what runs goes on; the platform team corrects the document",
        event="Warning PolicyInvalid",
        row={"READY": "False"},
    )
    world.cluster.kubectl("-n", team, "scale", "gm", "before", "--replicas=2")
    world.until(lambda: world.row(team, "before")["REPLICAS"] == "2/2", "what runs is looked after")
    policy.write(ANYTHING)
    world.wait_for(team, "after", "Serving")
