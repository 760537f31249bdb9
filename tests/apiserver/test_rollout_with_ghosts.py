"""A watch cache that remembers what is gone: nothing is taken from users because of it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.controller import children
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.kinds import CONTROLLER_REVISION, DEPLOYMENT, POD, SERVICE
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from tests.builders import a_gpu_plan, a_model, some_facts
from tests.builders_pods import a_ready_pod
from tests.cluster import Cluster, Environment
from tests.crd_cluster import install_crd

pytestmark = pytest.mark.apiserver

NAME, TEAM = "ghostly", "default"
SETTINGS = Settings()


@pytest.fixture(scope="module")
def alone(environment: Environment) -> Iterator[Cluster]:
    """Yield a control plane of its own: an operator that runs beside would do the work instead."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"ghosts-{os.getpid()}") as cluster:
        install_crd(cluster)
        # No pod is ever made: one without a node would end the old revision rightly.
        cluster.kubectl("-n", TEAM, "create", "quota", "no-pods", "--hard=pods=0")
        yield cluster


def revisions(model: Any) -> tuple[Revision, Revision]:
    """Return the one that serves and the one that is to replace it."""
    old = freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), SETTINGS, number=1)
    longer = model.model_copy(
        update={
            "spec": model.spec.model_copy(
                update={"context": model.spec.context.model_copy(update={"max_model_len": 64})}
            )
        }
    )
    return old, freeze(longer, some_facts(), ServedTask.GENERATE, a_gpu_plan(), SETTINGS, number=2)


async def rolled(kubeconfig: Path, cluster: Cluster, team: str) -> dict[str, Any]:
    """Serve one revision, wish another, and let the cache claim that a pod of the new one is ready."""
    client = await KubeClient.connect(SETTINGS, environ={"KUBECONFIG": str(kubeconfig)})
    try:
        uid = cluster.kubectl("-n", team, "get", "gm", NAME, "-o", "jsonpath={.metadata.uid}")
        model = a_model(metadata={"name": NAME, "namespace": team, "uid": uid})
        old, new = revisions(model)
        unused: Any = None
        tools = Tools(
            client=client,
            hub=unused,
            cache=ChildCache(),
            inventory=unused,
            runtimes=unused,
            settings=SETTINGS,
            now=str,
        )
        first = Context(tools=tools, model=model, resync=False, current=old)
        await children.gather(first)
        await children.apply(first)
        both = Context(tools=tools, model=model, resync=False, current=new)
        await children.gather(both)
        await children.apply(both)
        ghost = a_ready_pod("ghost", revision=new.id)
        ghost["metadata"] |= {
            "namespace": team,
            "uid": "gone",
            "labels": labels.revision_labels(NAME, new.id, "0" * 40),
        }
        tools.cache.put(POD, ghost)
        last = Context(tools=tools, model=model, resync=False, current=new)
        await children.gather(last)
        assert [pod["metadata"]["name"] for pod in last.pods] == ["ghost"], "the cache holds a ghost"
        await children.apply(last)
        return {
            "old": old.id,
            "selected": (await client.get(SERVICE, team, NAME))["spec"]["selector"][labels.REVISION],
            "deployments": len(await client.list(DEPLOYMENT, team)),
            "revisions": len(await client.list(CONTROLLER_REVISION, team, label_selector=labels.OWNED_SELECTOR)),
            "pods": last.pods,
        }
    finally:
        await client.close()


def test_a_ready_pod_that_only_the_cache_knows_switches_nothing(alone: Cluster) -> None:
    wish = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "metadata": {"name": NAME, "namespace": TEAM},
        "spec": {"model": "acme/tiny-llama"},
    }
    alone.apply(wish)
    found = asyncio.run(rolled(alone.kubeconfig, alone, TEAM))
    assert found["selected"] == found["old"]
    assert found["deployments"] == 2
    assert found["revisions"] == 2
    assert "ghost" not in [pod["metadata"]["name"] for pod in found["pods"]]
