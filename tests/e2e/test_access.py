"""API keys on real parts: a Secret that is missing, then empty, then rotated; routes through the Service."""

import base64
import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from openai import AuthenticationError, OpenAI

from examples.demo.steps import EMBEDDINGS
from tests.cluster.progress import wait_until
from tests.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SECRET, KEY, OTHER = "team-keys", "canary-3b1f", "canary-77c0"
HIDDEN = ("/metrics", "/version", "/tokenize", "/invocations", "/pooling", "/docs", "/openapi.json", "/v1/completions")


def test_api_keys_from_a_missing_secret_to_a_rotated_one(platform: Platform) -> None:
    platform.wish("locked", EMBEDDINGS, access={"apiKeysSecretRef": {"name": SECRET}})
    platform.assert_shown(
        "locked",
        reason="PodSetupFailed",
        words=(f'secret "{SECRET}" not found', "create or repair what the message names"),
        event="Warning PodSetupFailed",
        row={"READY": "False"},
    )
    keys(platform, {})
    platform.assert_shown(
        "locked",
        reason="ApiKeysUnusable",
        words=(
            "nobody is let in: the Secret has no entries",
            "spec.access.apiKeysSecretRef",
            "into each entry of that Secret",
        ),
        event="Warning ApiKeysUnusable",
        row={"READY": "False", "REPLICAS": "0/1"},
    )
    keys(platform, {"team-a": KEY})
    platform.wait_for("locked", "Serving", seconds=240)
    assert restarts(platform) == 0
    wait_until("the key to open", lambda: opens(platform, KEY), timeout_seconds=60)
    assert not opens(platform, OTHER)
    assert_only_the_listed_routes(platform)
    keys(platform, {"team-b": OTHER})
    wait_until("the new key to open", lambda: opens(platform, OTHER), timeout_seconds=180)
    assert not opens(platform, KEY)
    assert restarts(platform) == 0
    assert_never_told(platform)
    platform.delete("locked")
    platform.cluster.kubectl("delete", "secret", SECRET)


def keys(platform: Platform, entries: dict[str, str]) -> None:
    """Write the Secret as a whole."""
    data = {name: base64.b64encode(key.encode()).decode() for name, key in entries.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}
    found = platform.cluster.run(["kubectl", "get", "secret", SECRET], check=False)
    verb = "replace" if found.returncode == 0 else "create"
    platform.cluster.kubectl(verb, "-f", "-", input=json.dumps(secret))
    # The kubelet looks at a pod's Secrets about once a minute, and whenever the pod changes: no need to wait.
    for pod in platform.pods("locked"):
        named = f"keys={'-'.join(entries)}"
        platform.cluster.kubectl("annotate", "--overwrite", "pod", pod["metadata"]["name"], named)


def opens(platform: Platform, key: str) -> bool:
    with OpenAI(base_url=platform.endpoint("locked"), api_key=key, timeout=60, max_retries=0) as api:
        try:
            return len(api.embeddings.create(model="locked", input="a fox").data) == 1
        except AuthenticationError:
            return False


def restarts(platform: Platform) -> int:
    (pod,) = platform.pods("locked")
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def assert_only_the_listed_routes(platform: Platform) -> None:
    """Through the Service, with a valid key, by every method."""
    address = urlsplit(platform.endpoint("locked"))
    for path in HIDDEN:
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
            with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
                connection.request(method, path, headers={"Authorization": f"Bearer {KEY}"})
                assert connection.getresponse().status == 404, (method, path)


def assert_never_told(platform: Platform) -> None:
    """No key is in what people see of the model, nor in any log."""
    kubectl = platform.cluster.kubectl
    (pod,) = (pod["metadata"]["name"] for pod in platform.pods("locked"))
    seen = [kubectl("get", "gm,pods,deployments,controllerrevisions,configmaps,events", "-A", "-o", "json")]
    seen += [kubectl("logs", pod, "-c", container) for container in ("prepare", "server")]
    assert [key for key in (KEY, OTHER) if any(key in text for text in seen)] == []
