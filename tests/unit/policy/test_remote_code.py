"""Code of repositories: run only where model and policy agree, for one commit at a time."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import TABLE, Reason
from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.remote_code import refuse_code
from genmodel_operator.policy.rules import Repository, refuse, words_of

READ, UNREAD = "a" * 40, "b" * 40
OWN = "acme/own"


def allowing(*commits: str, repository: str = OWN) -> Policy:
    return Policy.model_validate({"remoteCode": [{"repository": repository, "commits": list(commits)}]})


def refused(policy: Policy, **changes: Any) -> list[str]:
    asked: dict[str, Any] = {"repository": OWN, "commit": READ, "file": "config.json", "is_trusted": True} | changes
    return [refusal.reason for refusal in refuse_code(policy, **asked)]


REQUIRED, NOT_ALLOWED = [Reason.REMOTE_CODE_REQUIRED.value], [Reason.REMOTE_CODE_NOT_ALLOWED.value]


@pytest.mark.parametrize(
    ("policy", "changes", "want"),
    [
        pytest.param(allowing(READ), {}, [], id="both agree"),
        pytest.param(allowing(UNREAD, READ), {}, [], id="one of several commits"),
        pytest.param(allowing(READ), {"is_trusted": False}, REQUIRED, id="the model does not say so"),
        pytest.param(Policy(), {}, NOT_ALLOWED, id="no policy"),
        pytest.param(Policy(), {"is_trusted": False}, REQUIRED, id="neither says so"),
        pytest.param(allowing(UNREAD), {}, NOT_ALLOWED, id="another commit"),
        pytest.param(allowing(READ, repository="acme/other"), {}, NOT_ALLOWED, id="another repository"),
        pytest.param(allowing(READ, repository="acme/Own"), {}, NOT_ALLOWED, id="other capitals"),
        pytest.param(Policy(), {"file": ""}, [], id="no code"),
        pytest.param(Policy(), {"file": "", "is_trusted": False}, [], id="no code and no trust"),
    ],
)
def test_who_may_run_code(policy: Policy, changes: dict[str, Any], want: list[str]) -> None:
    assert refused(policy, **changes) == want


def test_entries_of_one_repository_add_up() -> None:
    entries = [{"repository": OWN, "commits": [UNREAD]}, {"repository": OWN, "commits": [READ]}]
    assert refused(Policy.model_validate({"remoteCode": entries})) == []


@pytest.mark.parametrize(
    ("policy", "is_trusted", "want"),
    [
        pytest.param(
            Policy(),
            False,
            f"for the commit {READ}; choose a model that needs none; or set spec.trust.remoteCode to true, and have "
            f"the platform team read that code and add {{repository: {OWN}, commits: [{READ}]}} to policy.remoteCode",
            id="both are missing",
        ),
        pytest.param(
            allowing(READ),
            False,
            "choose a model that needs none; or set spec.trust.remoteCode to true",
            id="the model's word is missing",
        ),
        pytest.param(
            Policy(),
            True,
            f"spec.trust.remoteCode: the operator's policy does not allow the Python code of {OWN} (auto_map in "
            f"config.json) at the commit {READ}; have the platform team read that code and add {{repository: {OWN}, "
            f"commits: [{READ}]}} to policy.remoteCode",
            id="the policy's word is missing",
        ),
    ],
)
def test_the_way_out_names_the_lines_to_add(policy: Policy, is_trusted: bool, want: str) -> None:
    (refusal,) = refuse_code(policy, repository=OWN, commit=READ, file="config.json", is_trusted=is_trusted)
    assert words_of(refusal).endswith(want)
    assert set(dict(refusal.values)) == TABLE[Reason(refusal.reason)].fields


def test_it_is_one_of_the_rules_for_what_runs() -> None:
    found = Repository(OWN, "mit", False, READ, "config.json")
    assert refuse(allowing(READ), found, image=None, trusts_code=True) == []
    (refusal,) = refuse(allowing(UNREAD), found, image=None, trusts_code=True)
    assert refusal.reason == Reason.REMOTE_CODE_NOT_ALLOWED
