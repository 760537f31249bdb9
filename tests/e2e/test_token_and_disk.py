"""What the platform does to a download, on a real kubelet: a token that is missing and then rotated, seen nowhere; a
disk that fills up midway; authorities that are missing; a limit that is overrun. Nobody restarts anything.
"""

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.demo.models import minilm_model
from examples.demo.steps import EMBEDDINGS, OPERATOR_NAMESPACE
from tests.cluster import Cluster
from tests.cluster.progress import wait_until
from tests.disks import local_volume, mounted
from tests.e2e.test_fetch import WEIGHTS, prepare_status, requested_bytes
from tests.platform import GATED, Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SECRET, FIRST, SECOND = "genmodel-hub-token", "hf_canaryOfTheFirstMonth", "hf_canaryOfTheSecondMonth"
TOKENS = (FIRST, SECOND)
FORMS = [*TOKENS, *(base64.b64encode(token.encode()).decode().rstrip("=") for token in TOKENS)]
"""As it is, and as a Secret holds it."""
DISK_MIB = 160
"""Room for the model and half of it again."""
OPERATOR = "app.kubernetes.io/name=genmodel,app.kubernetes.io/component=operator"


@pytest.fixture
def own(platform: Platform) -> Platform:
    """Return the platform where Hub and node are ours."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the Hub's tokens and the node's disks are ours to change on a cluster of our own only")
    return platform


def secret(token: str) -> str:
    data = {"token": base64.b64encode(token.encode()).decode()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data})


def test_a_token_that_is_missing_then_there_then_rotated(own: Platform) -> None:
    for token in TOKENS:
        own.hub_token(token, gated=True)
    own.wish("gated", GATED)
    try:
        own.assert_shown(
            "gated",
            reason="ModelGated",
            words=(f"{GATED} is gated and the anonymous user is not authorised", f"into the Secret {SECRET}"),
            event="Warning ModelGated",
            row={"READY": "False"},
            seconds=60,
        )
        # Each connection that is cut asks the Hub for another link, with the token.
        own.hub_fault(match=f"/blob/.*{WEIGHTS}", bytes_per_second=2_000_000, cut=4_000_000, times=None)
        own.cluster.kubectl("create", "-f", "-", input=secret(FIRST))
        wait_until("bytes of the weights", lambda: own.received_bytes("gated") > 0, timeout_seconds=180)
        uid = own.pods("gated")[0]["metadata"]["uid"]
        own.hub_token(FIRST, remove=True)
        wait_until("the old token to be refused", lambda: is_refused(own), timeout_seconds=60)
        own.cluster.kubectl("replace", "-f", "-", input=secret(SECOND))
        # The kubelet looks at a pod's Secrets about once a minute, and whenever the pod changes: no need to wait.
        own.cluster.kubectl("annotate", "pod", own.pods("gated")[0]["metadata"]["name"], "team=a")
        own.clear_hub_faults()
        wait_until("the engine to start", lambda: engine_runs(own), timeout_seconds=240, hint=str(own.ready("gated")))
        (pod,) = own.pods("gated")
        assert pod["metadata"]["uid"] == uid
        assert prepare_status(own, "gated")["restartCount"] == 0, "it went on with the new token by itself"
        assert_seen_nowhere(own, pod)
    finally:
        own.clear_hub_faults()
        own.delete("gated")
        own.cluster.kubectl("delete", "secret", SECRET, "--ignore-not-found")


def is_refused(platform: Platform) -> bool:
    """Whether the pod was told since the last look that its token is none any more."""
    return any(e["path"].endswith(WEIGHTS) and e["status"] == 401 and e["authorized"] for e in platform.hub_log())


def engine_runs(platform: Platform) -> bool:
    found = [s for pod in platform.pods("gated") for s in pod["status"].get("containerStatuses", [])]
    return any("running" in status["state"] for status in found)


def assert_seen_nowhere(platform: Platform, pod: dict[str, Any]) -> None:
    """No token is in any object of any kind but its Secret, in no log, on no page, in no environment."""
    assert [where for where, text in texts(platform, pod) if any(form in text for form in FORMS)] == []
    kinds = platform.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    assert {"secrets", "events", "events.events.k8s.io", "generativemodels.genmodel.dev"} <= set(kinds)
    listed = platform.cluster.kubectl("get", ",".join(kinds), "-A", "-o", "json", "--show-managed-fields")
    items = json.loads(listed)["items"]
    assert {"Pod", "ControllerRevision", "Event", "Lease", "ConfigMap", "Node"} <= {item["kind"] for item in items}
    holders = [item for item in items if any(form in json.dumps(item) for form in FORMS)]
    assert [(item["kind"], item["metadata"]["name"]) for item in holders] == [("Secret", SECRET)]


def texts(platform: Platform, pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what operator and pod say to anybody, with where they do."""
    kubectl, name = platform.cluster.kubectl, pod["metadata"]["name"]
    (operator,) = platform.connection.list(OPERATOR_NAMESPACE, "pods", "-l", OPERATOR)
    yield "the operator's log", kubectl("-n", OPERATOR_NAMESPACE, "logs", operator["metadata"]["name"])
    for container in ("prepare", "server"):
        yield f"the log of {container}", kubectl("logs", name, "-c", container)
    environment = kubectl("exec", name, "-c", "server", "--", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ; env")
    assert "GENMODEL_COMMIT" in environment
    yield "the environment of server", environment
    yield "the operator's metrics", page(platform, operator, 8080, "/metrics")
    for path in ("/status", "/metrics", "/livez"):
        yield f"the pod's {path}", page(platform, pod, 8001, path)


def page(platform: Platform, pod: dict[str, Any], port: int, path: str) -> str:
    local = platform.cluster.forward(pod["status"]["podIP"], port)
    with urllib.request.urlopen(f"http://127.0.0.1:{local}{path}", timeout=30) as answer:
        text = str(answer.read().decode())
    assert text, path
    return text


@pytest.fixture
def small_disk(own: Platform, tmp_path: Path) -> Iterator[Path]:
    """Yield a small file system of its own as a local volume; its class is called ``small``."""
    with mounted(tmp_path, size_mib=DISK_MIB), local_volume(own.cluster.kubectl, "small", tmp_path):
        yield tmp_path
        own.cluster.kubectl("delete", "pvc", "--all", "--ignore-not-found", "--timeout=60s")


@pytest.mark.soak
def test_a_disk_that_fills_up_midway_and_is_freed(own: Platform, small_disk: Path) -> None:
    size = (minilm_model() / WEIGHTS).stat().st_size
    own.hub_fault(match=f"/blob/.*{WEIGHTS}", bytes_per_second=2_000_000, times=None)
    cache = {"persistentVolumeClaim": {"storageClassName": "small", "size": "100Mi"}}
    own.wish("filled", EMBEDDINGS, cache=cache)
    try:
        wait_until(
            "half of the weights",
            lambda: own.received_bytes("filled") >= size / 2,
            timeout_seconds=180,
            every_seconds=0.3,
        )
        ballast = small_disk / "ballast"
        fill(ballast)
        own.assert_shown(
            "filled",
            reason="VolumeFull",
            words=("the volume /models is full", "free or add disk space on the node, or on the claim"),
            event="Warning VolumeFull",
            row={"READY": "False", "REPLICAS": "0/1"},
            seconds=120,
        )
        requested_bytes(own, size_bytes=size)
        ballast.unlink()
        own.clear_hub_faults()
        own.cluster.kubectl("scale", "gm/filled", "--replicas=0")
        own.wait_for_weights("filled", seconds=120)
        assert requested_bytes(own, size_bytes=size) <= 0.6 * size, "it went on where it was"
    finally:
        own.clear_hub_faults()
        own.delete("filled")
        wait_until("its pods to be gone", lambda: own.pods("filled") == [], timeout_seconds=120)


def fill(ballast: Path) -> None:
    """Take all room that is left."""
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
        except OSError:
            os.fsync(stream.fileno())


@pytest.mark.soak
def test_authorities_that_are_missing_and_a_pod_that_writes_more_than_it_may(own: Platform) -> None:
    own.hub_fault(match=f"/blob/.*{WEIGHTS}", bytes_per_second=500_000, times=None)
    authorities = {"name": "authorities", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    # The first is the volume that the operator adds for hub.caConfigMap, where it mounts it.
    volumes = [{"name": "ca", "configMap": authorities}, {"name": "tmp", "emptyDir": {"sizeLimit": "8Mi"}}]
    mount = {"name": "ca", "mountPath": "/etc/genmodel/ca", "readOnly": True}
    prepare = {"name": "prepare", "volumeMounts": [mount]}
    own.wish("greedy", EMBEDDINGS, podTemplate={"spec": {"volumes": volumes, "initContainers": [prepare]}})
    try:
        own.assert_shown(
            "greedy",
            reason="AuthoritiesMissing",
            words=("names the ConfigMap authorities, which is not in the namespace default", "--from-file=ca.crt=FILE"),
            event="Warning AuthoritiesMissing",
            row={"READY": "False"},
            seconds=90,
        )
        own.cluster.kubectl("create", "configmap", "authorities", "--from-literal=ca.crt=x")
        wait_until(
            "prepare to run", lambda: "running" in prepare_status(own, "greedy").get("state", {}), timeout_seconds=120
        )
        name = own.pods("greedy")[0]["metadata"]["name"]
        write = "head -c 20000000 /dev/zero > /tmp/too-much"
        own.cluster.kubectl("exec", name, "-c", "prepare", "--", "sh", "-c", write)
        wait_until("the kubelet to evict it", lambda: told(own, "greedy") != "", timeout_seconds=120)
        said = told(own, "greedy")
        assert "because it wrote more to disk than it may: Usage of EmptyDir volume" in said
        assert 'EmptyDir volume "tmp" exceeds the limit "8Mi"; it is placed again by itself' in said
        assert "raise spec.podTemplate.spec.volumes[tmp].emptyDir.sizeLimit" in said
        wait_until("its successor", lambda: own.ready("greedy").get("reason") == "Downloading", timeout_seconds=120)
    finally:
        own.clear_hub_faults()
        own.delete("greedy")
        own.cluster.kubectl("delete", "configmap", "authorities", "--ignore-not-found")


def told(platform: Platform, name: str) -> str:
    """What the Event of the eviction says."""
    selector = f"involvedObject.kind=GenerativeModel,involvedObject.name={name},reason=DiskLimitExceeded"
    found = json.loads(platform.cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json"))["items"]
    return str(found[0]["message"]) if found else ""
