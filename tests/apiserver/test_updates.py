"""An operator of another release: nothing restarts, it is said, and `genmodel update` rolls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.operator_world import OperatorWorld
from tests.rollout_world import pods_of, restarted, revision, uids

pytestmark = pytest.mark.apiserver

NEWER = "docker.io/vllm/vllm-openai:v9.9.9"


def image(world: OperatorWorld, team: str) -> str:
    (pod,) = pods_of(world, team, revision(world, team)["serving"])
    return str(pod["spec"]["containers"][0]["image"])


def genmodel(world: OperatorWorld, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genmodel_operator.cli", *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig or world.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "want_reason", "want_words"),
    [
        pytest.param({"ENGINES__GPU_IMAGE": NEWER}, "NewerEngine", NEWER, id="another engine"),
        pytest.param({"ENGINES__DRAIN_SECONDS": "17"}, "NewerRendering", "make other pods", id="other settings"),
    ],
)
def test_another_operator_restarts_nothing_and_says_what_can_be_had(
    world: OperatorWorld, team: str, settings: dict[str, str], want_reason: str, want_words: str
) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    first = revision(world, team)["current"]
    before, children = uids(pods_of(world, team, first)), versions(world, team)
    world.until_quiet()

    with restarted(world, **settings):
        world.until(lambda: world.condition(team, "tiny", "UpdateAvailable").get("reason") == want_reason, "it is said")
        said = world.condition(team, "tiny", "UpdateAvailable")["message"]
        assert want_words in said
        assert f"genmodel update tiny -n {team}" in said
        world.until_quiet()
        assert {what.split()[1] for what in world.written()} <= {"GenerativeModel", "Event"}, (
            "only conditions are written"
        )
        assert versions(world, team) == children
        assert uids(pods_of(world, team, first)) == before
        assert world.row(team, "tiny")["READY"] == "True"
        world.stop_operator()
        world.start_operator(settings=settings)
        world.until_quiet()
        assert world.written() == {}, "and that once"

        done = genmodel(world, "update", "tiny", "-n", team)

        assert (done.returncode, done.stderr) == (0, "")
        assert f"{team}/tiny takes what is new" in done.stdout
        world.until(lambda: revision(world, team)["serving"] != first, "another revision serves", seconds=120)
        world.wait_for(team, "tiny", "Serving")
        assert world.condition(team, "tiny", "UpdateAvailable") == {}
        assert (image(world, team) == NEWER) == (want_reason == "NewerEngine")
        world.until(lambda: pods_of(world, team, first) == [], "the old pods are gone")
        world.until_quiet()

        world.cluster.kubectl("-n", team, "annotate", "gm", "tiny", "genmodel.dev/update-")
        world.until(lambda: revision(world, team)["serving"] == first, "taken back, the old one is", seconds=120)


def versions(world: OperatorWorld, team: str) -> dict[str, object]:
    """What was made of the model, but for what others report in it."""
    kinds = ("deployments", "controllerrevisions", "services")
    found = [one for kind in kinds for one in world.list(team, kind)]
    return {
        f"{one['kind']}/{one['metadata']['name']}": (one["metadata"]["uid"], one.get("spec"), one.get("data"))
        for one in found
    }


def test_update_of_a_model_that_is_not_there(world: OperatorWorld, team: str) -> None:
    done = genmodel(world, "update", "nothing", "-n", team)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"genmodel: there is no model nothing in the namespace {team}" in done.stderr


def test_without_a_namespace_it_is_that_of_the_current_context(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    found = yaml.safe_load(world.cluster.kubeconfig.read_text())
    for context in found["contexts"]:
        context["context"]["namespace"] = team
    (tmp_path / "config").write_text(yaml.safe_dump(found))
    done = genmodel(world, "update", "nothing", kubeconfig=tmp_path / "config")
    assert f"genmodel: there is no model nothing in the namespace {team}" in done.stderr
