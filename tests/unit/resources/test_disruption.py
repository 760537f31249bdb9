"""The PodDisruptionBudget: from two replicas, over the pods of all revisions."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.resources.disruption import build_disruption_budget
from tests.builders import A_UID, a_model


@pytest.mark.parametrize(
    ("spec", "want_budget"),
    [
        pytest.param({}, False, id="one replica, which a budget would only nail to its node"),
        pytest.param({"replicas": 2}, True, id="two replicas"),
        pytest.param({"replicas": 9}, True, id="many replicas"),
        pytest.param({"replicas": 0}, False, id="none"),
        pytest.param({"replicas": 2, "suspend": True}, False, id="suspended"),
    ],
)
def test_there_is_one_from_two_replicas(spec: dict[str, Any], want_budget: bool) -> None:
    assert (build_disruption_budget(a_model(**spec)) is not None) == want_budget


def test_it_lets_one_pod_go_and_counts_those_of_all_revisions() -> None:
    budget = build_disruption_budget(a_model(replicas=3))
    assert budget is not None
    assert budget["spec"]["maxUnavailable"] == 1
    selector = budget["spec"]["selector"]["matchLabels"]
    for revision in ("a" * 10, "b" * 10):
        assert selector.items() <= labels.revision_labels("mistral", revision, "0" * 40).items()
    assert not selector.items() <= labels.child_labels("mistral", labels.COMPONENT_FETCH).items()
    assert not selector.items() <= labels.revision_labels("other", "a" * 10, "0" * 40).items()


def test_a_pod_that_does_not_answer_holds_up_no_drain() -> None:
    budget = build_disruption_budget(a_model(replicas=2))
    assert budget is not None
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_it_belongs_to_the_model_and_bears_its_name() -> None:
    budget = build_disruption_budget(a_model(replicas=2))
    assert budget is not None
    assert budget["metadata"]["name"] == "mistral"
    assert [owner["uid"] for owner in budget["metadata"]["ownerReferences"]] == [A_UID]
