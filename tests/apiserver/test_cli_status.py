"""``genmodel status`` against a real API server, as people with different rights run it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.cluster.namespace import FAKE_POD_RANGE
from tests.operator_world import ROOT, OperatorWorld

pytestmark = pytest.mark.apiserver

MIB = 1024**2


def status(world: OperatorWorld, *options: str, kubeconfig: Path | None = None) -> CompletedProcess[str]:
    """Run the command in the cluster's network, as a person with this kubeconfig."""
    environ = {"COLUMNS": "100"} | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
    command = [sys.executable, "-m", "genmodel_operator.cli", "status", *options]
    return world.cluster.run(command, check=False, env=environ)


def a_user(world: OperatorWorld, team: str, folder: Path, *rights: str) -> Path:
    """The kubeconfig of somebody who may get and list these resources in the namespace, which is his context's."""
    world.cluster.kubectl("-n", team, "create", "serviceaccount", "user")
    if rights:
        resources = ",".join(rights)
        world.cluster.kubectl("-n", team, "create", "role", "user", "--verb=get,list", f"--resource={resources}")
        binding = ["rolebinding", "user", "--role=user", f"--serviceaccount={team}:user"]
        world.cluster.kubectl("-n", team, "create", *binding)
    config: dict[str, Any] = yaml.safe_load(world.cluster.inner_kubeconfig.read_text())
    config["users"][0]["user"] = {"token": world.cluster.kubectl("-n", team, "create", "token", "user").strip()}
    config["contexts"][0]["context"]["namespace"] = team
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


MODELS = "generativemodels.genmodel.dev"
EVENTS = "events.events.k8s.io"


def test_a_model_that_serves_is_told_on_one_screen(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    said = status(world, "tiny", "-n", team)
    assert (said.returncode, said.stderr) == (0, "")
    commit = world.get(team, "gm", "tiny")["status"]["model"]["commit"]
    (pod,) = world.list(team, "pods")
    for words in (
        f"{team}/tiny\n  acme/tiny-llama @ {commit[:7]}, Generate, apache-2.0\n● Ready: Serving\n",
        f"1 of 1 replicas answer at http://tiny.{team}.svc/v1",
        pod["metadata"]["name"],
        "plan     1 x NVIDIA L4 per replica, 512 tokens per request",
        "weights ",
        "one GPU ",
        f"kubectl -n {team} port-forward service/tiny 8000:80 &",
        "Planned           acme/tiny-llama at main is commit",
    ):
        assert words in said.stdout
    assert len(said.stdout.splitlines()) <= 40


def test_programs_get_the_same_story(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    found = json.loads(status(world, "tiny", "-n", team, "-o", "json").stdout)
    assert (found["version"], found["state"], found["ready"], found["reason"]) == (1, "Ready", True, "Serving")
    assert found["url"] == f"http://tiny.{team}.svc/v1"
    assert [(pod["phase"], pod["ready"]) for pod in found["pods"]] == [("Serving", True)]
    assert found["status"] == world.get(team, "gm", "tiny")["status"]
    listed = yaml.safe_load(status(world, "-n", team, "-o", "yaml").stdout)
    assert [(one["name"], one["state"]) for one in listed["models"]] == [("tiny", "Ready")]


def test_what_is_wrong_is_told_with_the_way_out(world: OperatorWorld, team: str) -> None:
    world.wish(team, "gated", "acme/gated-llama")
    world.wait_for(team, "gated", "ModelGated")
    world.until(lambda: "ModelGated        " in status(world, "gated", "-n", team).stdout, "the Event is there")
    said = status(world, "gated", "-n", team).stdout
    assert "● Stalled: ModelGated\n  spec.model: acme/gated-llama is gated" in said
    assert "  → accept the licence on the model's page, then put that account's token" in said


def test_all_models_are_listed(world: OperatorWorld, team: str) -> None:
    assert status(world, "-n", team).stdout == f"no models in namespace {team}; genmodel status -A shows all\n"
    world.wish(team, "tiny")
    world.wish(team, "gone", "acme/nothing")
    world.wait_for(team, "tiny", "Serving")
    world.wait_for(team, "gone", "ModelNotFound")
    said = status(world, "-n", team).stdout.splitlines()
    assert said[0].split() == ["NAME", "MODEL", "ACCELERATOR", "REPLICAS", "READY", "REASON", "AGE"]
    assert said[1].split()[:2] == ["gone", "acme/nothing"]
    assert "ModelNotFound" in said[1]
    assert said[2].split()[:7] == ["tiny", "acme/tiny-llama", "1", "x", "NVIDIA", "L4", "1/1"]
    assert said[4].startswith("  gone: spec.model: acme/nothing does not exist")
    everywhere = status(world, "-A").stdout
    assert "NAMESPACE" in everywhere
    assert f"  {team}  " in everywhere


def test_a_watch_ends_when_the_model_is_ready(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    said = status(world, "tiny", "-n", team, "-w", "--timeout", "120")
    assert (said.returncode, said.stderr) == (0, "")
    last = said.stdout.splitlines()[-1]
    assert last.endswith(f"Serving         1 of 1 replicas answer at http://tiny.{team}.svc/v1")


@pytest.mark.parametrize(
    ("options", "want"),
    [
        pytest.param(["--timeout", "3"], "not Ready after 3 s: gone", id="time is over"),
        pytest.param(["--fail-fast"], "gone: ModelNotFound: a person must act", id="it cannot go on by itself"),
    ],
)
def test_a_watch_ends_with_1_when_it_is_not(world: OperatorWorld, team: str, options: list[str], want: str) -> None:
    world.wish(team, "gone", "acme/nothing")
    world.wait_for(team, "gone", "ModelNotFound")
    said = status(world, "gone", "-n", team, "-w", *options)
    assert (said.returncode, said.stderr) == (1, f"genmodel: {want}\n")
    assert "ModelNotFound" in said.stdout


def test_a_model_that_is_not_there_is_named(world: OperatorWorld, team: str) -> None:
    said = status(world, "nobody", "-n", team)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == (
        f"genmodel: NAME nobody: there is no GenerativeModel nobody in namespace {team}; "
        "genmodel status -A lists those of all namespaces\n"
    )


def test_without_rights_one_line_says_which(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    said = status(world, "tiny", kubeconfig=a_user(world, team, tmp_path))
    assert (said.returncode, said.stdout) == (1, "")
    assert 'cannot get resource "generativemodels"' in said.stderr
    assert said.stderr.endswith("ask for the right; the cluster roles view and edit have it\n")
    assert said.stderr.count("\n") == 1


def test_who_may_only_see_models_is_told_the_rest_is_missing(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    said = status(world, "tiny", kubeconfig=a_user(world, team, tmp_path, MODELS))
    assert said.returncode == 0, said.stderr
    assert "● Ready: Serving" in said.stdout
    assert "pods may not be listed with your rights" in said.stdout
    assert "Events may not be listed with your rights" in said.stdout


def test_a_cluster_that_does_not_answer_is_told(world: OperatorWorld, tmp_path: Path) -> None:
    config = yaml.safe_load(world.cluster.inner_kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    said = status(world, kubeconfig=kubeconfig)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.endswith("check the current context of kubectl\n")
    assert said.stderr.count("\n") == 1


def a_loading_pod(world: OperatorWorld, team: str) -> None:
    """A pod of the model whose prepare container runs, at an address where somebody answers."""
    labels = {"app.kubernetes.io/managed-by": "genmodel-operator", "genmodel.dev/model": "tiny"}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loading", "namespace": team, "labels": labels},
        "spec": {
            "schedulerName": "nobody",
            "initContainers": [{"name": "prepare", "image": "i"}],
            "containers": [{"name": "server", "image": "i"}],
        },
    }
    world.cluster.kubectl("apply", "-f", "-", input=json.dumps(pod))
    address = FAKE_POD_RANGE.rpartition(".")[0] + ".77"
    running = {"name": "prepare", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    found = {
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "initContainerStatuses": [running | {"state": {"running": {}}}],
    }
    patch = ["patch", "pod", "loading", "--subresource=status", "--type=merge", "-p", json.dumps({"status": found})]
    world.cluster.kubectl("-n", team, *patch)


@pytest.fixture
def downloading(world: OperatorWorld, tmp_path: Path) -> Iterator[None]:
    """What the pods say of their download; kwok's pods run nothing, so one process answers for all."""
    file, log = tmp_path / "status.json", tmp_path / "pods.log"
    download = {"bytesDone": 300 * MIB, "bytesTotal": 1000 * MIB, "bytesPerSecond": 50 * MIB, "secondsLeft": 14}
    file.write_text(json.dumps({"contract": 1, "phase": "Downloading", "download": download}))
    world.cluster.run(["ip", "route", "add", "local", FAKE_POD_RANGE, "dev", "lo"])
    server = world.cluster.popen([sys.executable, "-m", "tests.fakes.runtime_status", str(file)], log=log, cwd=ROOT)
    world.until(lambda: "listening" in log.read_text(), "the pods' status page is there")
    yield
    server.terminate()
    server.wait(10)
    world.cluster.run(["ip", "route", "del", "local", FAKE_POD_RANGE, "dev", "lo"])


@pytest.mark.parametrize(
    ("rights", "want_bar"),
    [
        pytest.param([MODELS, EVENTS, "pods", "pods/proxy"], True, id="with the right to ask pods"),
        pytest.param([MODELS, EVENTS, "pods"], False, id="without it, silently"),
    ],
)
@pytest.mark.usefixtures("downloading")
def test_the_download_is_read_from_the_pod_where_that_is_allowed(
    world: OperatorWorld, team: str, tmp_path: Path, rights: list[str], want_bar: bool
) -> None:
    world.wish(team, "tiny", suspend=True)
    world.wait_for(team, "tiny", "Suspended")
    a_loading_pod(world, team)
    said = status(world, "tiny", kubeconfig=a_user(world, team, tmp_path, *rights))
    assert (said.returncode, said.stderr) == (0, "")
    assert ("  30 %  300.0 MiB of 1000.0 MiB  50.0 MiB/s  14s left" in said.stdout) is want_bar
    assert ("Downloading 30 %" in said.stdout) is want_bar
    assert "Downloading" in said.stdout
    assert "rights" not in said.stdout
