"""Models that keep other caches than plain attention are planned, and the real scheduler places their pods."""

import pytest

from tests.operator_world import OperatorWorld

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize(
    ("model", "want_words"),
    [
        pytest.param("acme/tiny-mixture", "2 x 2 heads x 32 x 2 bytes x 2 layers = 512 bytes per token", id="mixture"),
        pytest.param("acme/tiny-latent", "80 x 2 bytes x 2 layers = 320 bytes per token", id="latent attention"),
        pytest.param("acme/tiny-hybrid", "3 layers keep", id="hybrid of linear and full attention"),
    ],
)
def test_served(world: OperatorWorld, team: str, model: str, want_words: str) -> None:
    world.wish(team, "m", model)
    row = world.wait_for(team, "m", "Serving")
    assert (row["READY"], row["ACCELERATOR"]) == ("True", "1 x NVIDIA L4")
    plan = world.get(team, "gm", "m")["status"]["plan"]
    assert want_words in plan["explanation"]
    memory = plan["memory"]
    parts = ("weightsGiB", "kvCacheGiB", "activationGiB", "overheadGiB", "marginGiB")
    assert round(100 * sum(memory[part] for part in parts)) == round(100 * memory["totalGiB"])
    (pod,) = world.list(team, "pods")
    assert pod["spec"]["nodeName"]
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_a_cache_in_fp8_reaches_the_engine(world: OperatorWorld, team: str) -> None:
    world.wish(team, "m", kvCachePrecision="FP8")
    world.wait_for(team, "m", "Serving")
    (pod,) = world.list(team, "pods")
    args = pod["spec"]["containers"][0]["args"]
    assert args[args.index("--kv-cache-dtype") + 1] == "fp8"
    assert "KV cache in FP8" in world.get(team, "gm", "m")["status"]["plan"]["explanation"]
