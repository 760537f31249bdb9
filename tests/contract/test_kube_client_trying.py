"""What the client tries without doing it, and what it writes for a person, on a real API server."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.kube.client import USER_MANAGER, KubeClient
from genmodel_operator.kube.errors import AlreadyExists, Invalid, NotFound
from genmodel_operator.kube.kinds import GENERATIVE_MODEL, SERVICE
from tests.cluster import Cluster
from tests.crd_samples import manifest

pytestmark = pytest.mark.apiserver


def a_service(team: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": team}, "spec": {"ports": [{"port": 80}], **spec}}


async def test_a_dry_run_answers_with_what_would_be_stored_and_stores_nothing(client: KubeClient, team: str) -> None:
    found = await client.dry_run(SERVICE, a_service(team, "tried"))
    assert found["spec"]["type"] == "ClusterIP", "with the server's defaults"
    with pytest.raises(NotFound):
        await client.get(SERVICE, team, "tried")


@pytest.mark.parametrize(
    ("spec", "want_words"),
    [
        pytest.param({"selectr": {}}, 'unknown field "spec.selectr"', id="an unknown field, which a create would drop"),
        pytest.param({"type": "Nowhere"}, "spec.type: Unsupported value", id="a value that is not allowed"),
        pytest.param({"ports": "http"}, "cannot unmarshal string", id="a wrong type"),
    ],
)
async def test_a_dry_run_refuses_what_is_wrong(
    client: KubeClient, team: str, spec: dict[str, Any], want_words: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await client.dry_run(SERVICE, a_service(team, "wrong", **spec))
    assert want_words in refused.value.message


async def test_a_dry_run_knows_that_a_name_is_taken(client: KubeClient, team: str) -> None:
    await client.create(SERVICE, a_service(team, "taken"))
    with pytest.raises(AlreadyExists):
        await client.dry_run(SERVICE, a_service(team, "taken"))


async def test_an_annotation_is_a_persons_and_leaves_the_rest(
    client: KubeClient, control_plane: Cluster, team: str
) -> None:
    wanted = manifest("noted")
    wanted["metadata"] |= {"namespace": team, "annotations": {"theirs": "1"}}
    control_plane.apply(wanted)
    found = await client.annotate(GENERATIVE_MODEL, team, "noted", {labels.UPDATE: "now"})
    annotations = found["metadata"]["annotations"]
    assert (annotations["theirs"], annotations[labels.UPDATE]) == ("1", "now")
    # An operator that happens to run in the cluster may have written the status by now.
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"] if not entry.get("subresource")}
    assert USER_MANAGER in managers
    assert labels.FIELD_MANAGER not in managers
    with pytest.raises(NotFound):
        await client.annotate(GENERATIVE_MODEL, team, "nobody", {labels.UPDATE: "now"})
