"""The client library comes without its synchronous half, which is still there for who asks for it."""

import json
import subprocess
import sys
from typing import Any

import pytest

HEAVY = ("requests", "oauthlib", "requests_oauthlib", "websocket")
PROGRAM = f"""
import json, sys
before = list(sys.meta_path)
import genmodel_operator.process
told = {{"finders": sys.meta_path == before, "first": [name for name in {HEAVY} if name in sys.modules]}}
import kubernetes
told["version"] = bool(kubernetes.__version__)
told["untouched"] = [name for name in {HEAVY} if name in sys.modules]
told["error"] = issubclass(kubernetes.config.ConfigException, Exception)
from kubernetes.client import CoreV1Api, V1Pod
import kubernetes.client.models
told["pod"] = V1Pod(kind="Pod").to_dict()["kind"]
from kubernetes import dynamic, informer, leaderelection, stream, utils, watch
told["parts"] = [bool(dir(part)) for part in (dynamic, informer, leaderelection, stream, utils, watch)]
told["last"] = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Return what a fresh process finds, which has imported nothing yet."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_operator_comes_without_the_synchronous_half(told: dict[str, Any]) -> None:
    assert told["first"] == []


def test_it_is_not_loaded_before_somebody_touches_it(told: dict[str, Any]) -> None:
    assert (told["version"], told["untouched"]) == (True, [])


def test_who_touches_it_has_all_of_it(told: dict[str, Any]) -> None:
    assert (told["error"], told["pod"], told["last"]) == (True, "Pod", list(HEAVY))
    assert all(told["parts"])


def test_other_imports_are_as_before(told: dict[str, Any]) -> None:
    assert told["finders"]
