"""Causes that a real kubelet finds, in its own words, and what becomes of them when they are mended."""

import json

import pytest

from examples.demo.steps import CHAT
from tests.cluster.progress import wait_until
from tests.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SECRET = "not-there-yet"


def told(platform: Platform, name: str) -> set[str]:
    selector = f"involvedObject.kind=GenerativeModel,involvedObject.name={name}"
    printed = platform.cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json")
    return {event["reason"] for event in json.loads(printed)["items"]}


def test_an_image_that_does_not_exist(platform: Platform) -> None:
    platform.wish("pull", CHAT, engine={"image": "registry.invalid/engine:1"})
    try:
        row = platform.wait_for("pull", "ImagePullFailed", seconds=180)
        assert "False" in row
        said = platform.ready("pull")["message"]
        assert "the image registry.invalid/engine:1 cannot be pulled: " in said
        assert "check the image's name" in said
        assert "ImagePullFailed" in told(platform, "pull")
    finally:
        platform.delete("pull")


def test_a_secret_that_is_created_later(platform: Platform) -> None:
    wanted = {"name": "EXTRA", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "token"}}}
    platform.wish("later", CHAT, engine={"env": [wanted]})
    try:
        platform.wait_for("later", "ContainerConfigFailed", seconds=180)
        assert f'secret "{SECRET}" not found' in platform.ready("later")["message"]
        platform.cluster.kubectl("create", "secret", "generic", SECRET, "--from-literal=token=x")
        wait_until(
            "the engine to start",
            lambda: platform.ready("later").get("reason") in ("Loading", "Compiling", "WarmingUp", "Serving"),
            timeout_seconds=120,
        )
        conditions = {found["type"] for found in platform.get("gm", "later")["status"]["conditions"]}
        assert "Stalled" not in conditions
    finally:
        platform.delete("later")
        platform.cluster.kubectl("delete", "secret", SECRET, "--ignore-not-found")
