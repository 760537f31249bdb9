"""Every rule of the policy: whom it refuses, by what value, and the way out that is named."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.rules import (
    Repository,
    limit_of,
    refuse,
    refuse_repository,
    refuse_wish,
    too_many_devices,
    words_of,
)

MISTRAL = "mistralai/Mistral-7B-Instruct-v0.3"
IMAGE = "registry.example.com/vllm/vllm-openai:v0.32.0"


def policy(**keys: Any) -> Policy:
    return Policy.model_validate(keys)


def a_repository(name: str = MISTRAL, license_: str | None = "apache-2.0", *, gated: bool = False) -> Repository:
    return Repository(name, license_, gated)


def test_an_empty_policy_refuses_nothing() -> None:
    assert refuse_wish(Policy(), model=MISTRAL, image="anything:1") == []
    assert refuse(Policy(), a_repository(license_=None, gated=True), image="anything:1") == []
    assert limit_of(Policy(), "team-a") is None


@pytest.mark.parametrize(
    ("allowed", "want"),
    [
        pytest.param(["mistralai"], True, id="the organisation"),
        pytest.param(["acme", "mistralai"], True, id="one of several"),
        pytest.param(["mistral*"], True, id="a wildcard in the organisation"),
        pytest.param(["mistralai/Mistral-*"], True, id="some of its repositories"),
        pytest.param(["mistralai/*"], True, id="all of its repositories"),
        pytest.param([MISTRAL], True, id="one repository"),
        pytest.param(["*"], True, id="everything"),
        pytest.param(["acme"], False, id="another organisation"),
        pytest.param(["mistral"], False, id="the beginning of its name"),
        pytest.param(["Mistralai"], False, id="other capitals"),
        pytest.param(["mistralai/Mixtral-*"], False, id="other repositories of it"),
        pytest.param(["[m]istralai"], False, id="brackets are no wildcards"),
        pytest.param(["Mistral-7B-Instruct-v0.3"], False, id="a repository without its organisation"),
    ],
)
def test_publishers(allowed: list[str], want: bool) -> None:
    found = refuse_wish(policy(allowedPublishers=allowed), model=MISTRAL, image=None)
    assert [refusal.reason for refusal in found] == ([] if want else [Reason.PUBLISHER_NOT_ALLOWED])


def test_a_look_alike_organisation_is_not_let_in_by_a_pattern_of_repositories() -> None:
    (refusal,) = refuse_wish(policy(allowedPublishers=["acme/*"]), model="acme-labs/x", image=None)
    assert refusal.reason == Reason.PUBLISHER_NOT_ALLOWED


def test_a_repository_that_was_renamed_is_judged_by_its_new_name() -> None:
    found = refuse_repository(policy(allowedPublishers=["mistralai"]), a_repository("stranger/Mistral-7B"))
    assert "stranger" in words_of(found[0])


@pytest.mark.parametrize(
    ("named", "want"),
    [
        pytest.param("apache-2.0", None, id="allowed"),
        pytest.param("llama3.1", "has the licence llama3.1, which is of the class Custom", id="another class"),
        pytest.param(None, "has no licence on its card, which is of the class Unknown", id="none"),
    ],
)
def test_licences(named: str | None, want: str | None) -> None:
    rules = policy(allowedLicenseClasses=["Open", "NonCommercial"])
    found = refuse_repository(rules, a_repository(license_=named))
    if want is None:
        assert found == []
        return
    (refusal,) = found
    assert refusal.reason == Reason.LICENSE_NOT_ALLOWED
    message = words_of(refusal)
    for word in (MISTRAL, want, "allows Open, NonCommercial;", "policy.allowedLicenseClasses", "policy.licenseClasses"):
        assert word in message


@pytest.mark.parametrize(
    ("gated", "allowed", "want"),
    [
        pytest.param(True, True, [], id="gated, and that is allowed"),
        pytest.param(True, False, [Reason.GATED_NOT_ALLOWED], id="gated"),
        pytest.param(False, False, [], id="open to all"),
    ],
)
def test_gated_repositories(gated: bool, allowed: bool, want: list[Reason]) -> None:
    found = refuse_repository(policy(allowGated=allowed), a_repository(gated=gated))
    assert [refusal.reason for refusal in found] == want


@pytest.mark.parametrize(
    ("allowed", "image", "want"),
    [
        pytest.param([IMAGE], IMAGE, True, id="the very image"),
        pytest.param(["registry.example.com/vllm/*"], IMAGE, True, id="all of a registry's folder"),
        pytest.param(["*@sha256:*"], "a/b@sha256:00", True, id="only by digest"),
        pytest.param(["*@sha256:*"], IMAGE, False, id="a tag where a digest is wanted"),
        pytest.param(["registry.example.com/vllm/*"], "docker.io/vllm/vllm-openai:v0.32.0", False, id="elsewhere"),
        pytest.param(["registry.example.com/vllm/*"], None, True, id="none chosen: the platform's own"),
    ],
)
def test_engine_images(allowed: list[str], image: str | None, want: bool) -> None:
    found = refuse_wish(policy(allowedEngineImages=allowed), model=MISTRAL, image=image)
    assert [refusal.reason for refusal in found] == ([] if want else [Reason.ENGINE_IMAGE_NOT_ALLOWED])
    if not want:
        assert f"spec.engine.image: {image} " in words_of(found[0])
        assert "policy.allowedEngineImages" in words_of(found[0])


@pytest.mark.parametrize(
    ("limits", "want"),
    [
        pytest.param({"team-a": 8, "*": 2}, 8, id="its own"),
        pytest.param({"team-b": 8, "*": 2}, 2, id="that of all others"),
        pytest.param({"team-b": 8}, None, id="none"),
        pytest.param({"team-a": 0, "*": 2}, 0, id="no device at all"),
    ],
)
def test_limits_of_devices(limits: dict[str, int], want: int | None) -> None:
    assert limit_of(policy(devicesPerNamespace=limits), "team-a") == want


def test_too_many_devices_are_told_with_what_others_have() -> None:
    message = words_of(too_many_devices(namespace="team-a", limit=4, used=3, count=2, replicas=1))
    assert message.startswith("1 x 2 devices are too many: the namespace team-a may have 4 by the operator's policy")
    for word in ("other models have 3", "suspend or delete", "policy.devicesPerNamespace", "goes on by itself"):
        assert word in message


def test_everything_that_a_policy_has_against_a_model_is_told() -> None:
    rules = policy(
        allowedPublishers=["acme"], allowedLicenseClasses=["Custom"], allowGated=False, allowedEngineImages=["acme/*"]
    )
    assert [refusal.reason for refusal in refuse(rules, a_repository(gated=True), image=IMAGE)] == [
        Reason.PUBLISHER_NOT_ALLOWED,
        Reason.LICENSE_NOT_ALLOWED,
        Reason.GATED_NOT_ALLOWED,
        Reason.ENGINE_IMAGE_NOT_ALLOWED,
    ]
