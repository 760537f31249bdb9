"""Static pools of the policy in a plan, as those of the settings."""

import pytest

from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.pools_given import NONE, TWICE, contradiction, pools_given

ONE = {"name": "one", "product": "NVIDIA-L4", "devices": 1, "labels": {"pool": "l4"}, "taints": ["team=a:NoSchedule"]}
OTHER = {**ONE, "name": "other", "taints": []}
WITH_ONE = Settings.model_validate({"accelerators": {"pools": [ONE]}})
POLICY = Policy.model_validate({"pools": [OTHER]})


@pytest.mark.parametrize(
    ("settings", "policy", "want"),
    [
        pytest.param(Settings(), Policy(), [], id="none"),
        pytest.param(WITH_ONE, Policy(), ["one"], id="of the settings"),
        pytest.param(Settings(), POLICY, ["other"], id="of the policy"),
        pytest.param(Settings(policy=POLICY), None, ["other"], id="of the policy of the settings"),
        pytest.param(Settings(policy=POLICY), Policy(), [], id="of a policy that took the place of that"),
    ],
)
def test_where_pools_come_from(settings: Settings, policy: Policy | None, want: list[str]) -> None:
    assert [pool.name for pool in pools_given(settings, policy)] == want


BLIND = {"inventory": {"mode": "pools"}}
BLIND_WITH_ONE = Settings.model_validate({"accelerators": {"pools": [ONE]}, **BLIND})


@pytest.mark.parametrize(
    ("settings", "policy", "want"),
    [
        pytest.param(Settings(), Policy(), "", id="none"),
        pytest.param(WITH_ONE, POLICY, TWICE, id="both"),
        pytest.param(WITH_ONE, Policy(), "", id="only the settings"),
        pytest.param(Settings(), POLICY, "", id="only the policy"),
        pytest.param(Settings.model_validate(BLIND), Policy(), NONE, id="no nodes are read, and none described"),
        pytest.param(Settings.model_validate(BLIND), POLICY, "", id="no nodes are read, the policy has them"),
        pytest.param(BLIND_WITH_ONE, Policy(), "", id="no nodes are read, the settings have them"),
        pytest.param(BLIND_WITH_ONE, POLICY, TWICE, id="no nodes are read, and both have them"),
    ],
)
def test_what_contradicts(settings: Settings, policy: Policy, want: str) -> None:
    assert contradiction(settings, policy) == want


def test_taints_of_the_policy_s_pools_are_tolerated() -> None:
    tainted = Policy.model_validate({"pools": [ONE]})
    assert "team=a" in plan_policy(Settings(), tainted).tolerated_taints
    assert "team=a" not in plan_policy(Settings(), Policy()).tolerated_taints
    assert "team=a" in plan_policy(WITH_ONE, Policy()).tolerated_taints
