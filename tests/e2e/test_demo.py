"""`make demo` from a newcomer's chair: what it prints, what it leaves open to go on with, and that all of it goes."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.demo.models import chat_model, minilm_model
from examples.demo.steps import CHAT, DEMO_FOLDER, EMBEDDINGS, ROOT
from tests.cluster import Environment
from tests.cluster.cleanup import clean_abandoned
from tests.cluster.folders import RunFolder
from tests.cluster.namespace import NODE_ADDRESS
from tests.cluster.processes import ProcessId
from tests.cluster.progress import wait_until
from tests.cluster.state import read_state
from tests.conftest import showing_progress
from tests.fakes.hub import HubServer, repository_from_directory
from tests.machine import machine

pytestmark = [pytest.mark.e2e, pytest.mark.own_node, pytest.mark.timeout(1200)]
NAME = "demo"
SECOND_PORT, SECOND_CDN_PORT = 8190, 8191
VARIABLES = ("MODEL", "HF_ENDPOINT", "IMAGE_REGISTRY", "KUBECONFIG")
STAGE = re.compile(r" +(\d+\.\d) s  (\w+) ")


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command printed, each line with the seconds after its start."""

    lines: list[tuple[float, str]]

    @property
    def text(self) -> str:
        return "".join(line for _, line in self.lines)

    def part(self, heading: str) -> str:
        """Return what is printed between a heading and the next."""
        found = next(part for part in self.text.split("\n==> ") if part.startswith(heading))
        return found.partition("\n")[2]

    def at(self, words: str) -> float:
        """Return when the first line with these words came."""
        return next(when for when, line in self.lines if words in line)


def demo(*arguments: str, **environ: str) -> Printed:
    """Run the demo's command to its end, which must be a good one."""
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-m", "examples.demo", *arguments]
    started = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env={**own, **environ}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [(time.monotonic() - started, line) for line in process.stdout]
    assert process.returncode == 0, "".join(line for _, line in lines[-20:])
    return Printed(lines)


@dataclass(frozen=True, slots=True)
class Shown:
    """The demo after its first run, and the machine before it."""

    printed: Printed
    before: dict[str, object]


@pytest.fixture(scope="module")
def shown(environment: Environment, pytestconfig: pytest.Config) -> Iterator[Shown]:
    if environment.rung != "node":
        pytest.skip(environment.no_real_node or "another cluster is used instead of a node of our own")
    clean_abandoned()
    assert read_state(RunFolder.of(NAME).state) is None, "a demo is up on this machine: make demo-down"
    before = machine(NAME)
    with showing_progress(pytestconfig):
        try:
            yield Shown(demo("up"), before)
        finally:
            demo("down")


def kubectl(*args: str, **options: Any) -> str:
    """Run the demo's kubectl with the demo's kubeconfig, from the host, as a person does."""
    command = [str(DEMO_FOLDER / "bin/kubectl"), "--kubeconfig", str(DEMO_FOLDER / "kubeconfig"), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, **options)
    return str(done.stdout)


def ready(name: str) -> tuple[str, str]:
    """Return reason and message of a model's summary."""
    conditions = json.loads(kubectl("get", "gm", name, "-o", "json")).get("status", {}).get("conditions", [])
    return next(((one["reason"], one["message"]) for one in conditions if one["type"] == "Ready"), ("", ""))


def test_the_way_up_is_shown_while_it_happens(shown: Shown) -> None:
    part = shown.printed.part("Six lines, and nothing else to decide")
    assert (ROOT / "examples/quickstart.yaml").read_text() in part
    assert "$ kubectl apply -f examples/quickstart.yaml\ngenerativemodel.genmodel.dev/fables created\n" in part
    stages = [(float(found[1]), found[2]) for line in part.splitlines() if (found := STAGE.match(line))]
    assert "Loading" in [reason for _, reason in stages]
    assert stages[-1][1] == "Serving"
    assert [elapsed for elapsed, _ in stages] == sorted(elapsed for elapsed, _ in stages)
    # A line stands on the screen when its stage begins: the engine takes many seconds from there to the end.
    began = {reason: elapsed for elapsed, reason in reversed(stages)}
    between = shown.printed.at("fables is Ready after") - shown.printed.at(" s  Loading ")
    assert between > (began["Serving"] - began["Loading"]) / 2


def test_the_answer_is_a_fable(shown: Shown) -> None:
    part = shown.printed.part("A streamed chat answer through the Service")
    assert part.startswith("user:  Tell me the fable of the fox and the grapes.\nmodel: The Fox and the Grapes\n")
    assert "Moral: " in part


def test_like_sentences_are_nearer_than_others(shown: Shown) -> None:
    part = shown.printed.part("The same for embeddings, with a published model")
    like, other = re.findall(r'^ +(-?\d\.\d+)  "', part, re.MULTILINE)
    assert float(like) > float(other) + 0.2


def test_what_the_cluster_says_of_both_models(shown: Shown) -> None:
    part = shown.printed.part("What the cluster says")
    rows = {row[0]: row for line in part.splitlines() if len(row := line.split()) == 9}
    assert rows["fables"][1] == CHAT
    assert rows["minilm"][1] == EMBEDDINGS
    for name in ("fables", "minilm"):
        assert rows[name][5:7] == ["True", "Serving"]
        described = part.partition(f"$ kubectl describe gm {name}\n")[2].partition("\n$ ")[0]
        assert re.search(rf"^Name: +{name}$", described, re.MULTILINE)
        assert f"http://{name}.default.svc/v1" in described


def test_the_demo_s_cluster_is_reached_from_outside_as_the_last_lines_say(shown: Shown) -> None:
    reach = shown.printed.part("How to go on").splitlines()[0]
    script = f"{reach}; kubectl get gm -o name; kubectl get nodes -o name"
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "generativemodel.genmodel.dev/fables",
        "generativemodel.genmodel.dev/minilm",
        "node/local",
    ]


@pytest.fixture
def second_hub(shown: Shown) -> Iterator[str]:
    """Yield the endpoint of another Hub that a person has started inside the cluster's namespace."""
    assert shown
    args = ["nsenter", "--net=/run/netns/genmodel-demo", sys.executable, "-m", "tests.fakes.hub"]
    args += ["--host", NODE_ADDRESS, "--port", str(SECOND_PORT), "--cdn-port", str(SECOND_CDN_PORT)]
    args += ["--model", f"acme/tales={chat_model()}"]
    with subprocess.Popen(args, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"] == f"http://{NODE_ADDRESS}:{SECOND_PORT}"
        yield f"http://{NODE_ADDRESS}:{SECOND_PORT}"
        process.terminate()


@pytest.mark.soak
def test_a_model_of_another_hub_in_the_cluster_s_namespace_is_served(second_hub: str) -> None:
    spec = {"model": "acme/tales", "source": {"hub": {"endpoint": second_hub}}}
    wish = {"apiVersion": "genmodel.dev/v1alpha1", "kind": "GenerativeModel", "metadata": {"name": "tales"}}
    kubectl("apply", "-f", "-", input=json.dumps({**wish, "spec": spec}))
    wait_until("tales to be served", lambda: ready("tales")[0] == "Serving", timeout_seconds=400)
    answer = kubectl("get", "--raw", "/api/v1/namespaces/default/services/tales:80/proxy/v1/models")
    assert [one["id"] for one in json.loads(answer)["data"]] == ["tales", "acme/tales"]
    kubectl("delete", "gm", "tales")


@pytest.mark.soak
def test_a_model_of_a_hub_outside_is_served_where_names_are_known(shown: Shown, pytestconfig: pytest.Config) -> None:
    assert shown
    with HubServer([repository_from_directory("acme/small", minilm_model())], host="0.0.0.0") as hub:
        endpoint = hub.url.replace("127.0.0.1", socket.gethostname())
        with showing_progress(pytestconfig):
            printed = demo("up", "--model", "acme/small", HF_ENDPOINT=endpoint)
        fetched = {entry.path.rpartition("/")[2] for entry in hub.log()}
    assert "it runs already" in printed.part("A Kubernetes cluster on this machine")
    assert "pods resolve names as this machine does" in printed.part(f"A way out of the cluster, to {endpoint}")
    assert "chosen is Ready after" in printed.part("acme/small, from one field")
    assert "$ kubectl describe gm chosen" in printed.part("What the cluster says")
    assert "kubectl scale gm chosen" in printed.part("How to go on")
    assert {"config.json", "tokenizer.json"} <= fetched


def test_it_leaves_nothing_behind(shown: Shown) -> None:
    state = read_state(RunFolder.of(NAME).state)
    assert state is not None
    processes = [one.process for one in state.alive()]
    # A person's own, of which the demo has no note.
    with subprocess.Popen(["nsenter", "--net=/run/netns/genmodel-demo", "sleep", "600"]) as own:
        processes.append(ProcessId.of(own.pid))
        printed = demo("down")
    assert "the demo is gone: no process, mount, network or file of it is left" in printed.text
    assert [process for process in processes if process.is_alive()] == []
    assert machine(NAME) == shown.before
    assert not DEMO_FOLDER.exists()
    assert read_state(RunFolder.of(NAME).state) is None


def test_the_end_of_a_demo_that_is_not_there_is_no_error(environment: Environment) -> None:
    if environment.rung != "node":
        pytest.skip(environment.no_real_node or "another cluster is used instead of a node of our own")
    assert "the demo is gone" in demo("down").text
    assert not Path(DEMO_FOLDER).exists()
