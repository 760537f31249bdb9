"""Somebody who changes a child again and again: the operator writes less and less often, and says who and what."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.apiserver.test_operator_drift import one_deployment, writes_to
from tests.operator_world import OperatorWorld

pytestmark = pytest.mark.apiserver

FIGHT_SECONDS = 20.0


@contextmanager
def fighting(world: OperatorWorld, *command: str) -> Iterator[None]:
    """Somebody who runs this command as often as he can."""
    stop = threading.Event()

    def fight() -> None:
        while not stop.is_set():
            world.cluster.kubectl(*command, check=False)
            stop.wait(0.1)

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def warnings(world: OperatorWorld, team: str) -> list[str]:
    events: Any = json.loads(world.cluster.kubectl("-n", team, "get", "events.events.k8s.io", "-o", "json"))["items"]
    return [event["note"] for event in events if event["reason"] == "Contested" and event["type"] == "Warning"]


def test_a_controller_that_fights_us_is_named_and_our_writes_are_few(world: OperatorWorld, team: str) -> None:
    world.wish(team, "tiny")
    world.wait_for(team, "tiny", "Serving")
    world.until_quiet(quiet_seconds=3)
    name = one_deployment(world, team)
    before = writes_to(world, "Deployment")
    with fighting(world, "-n", team, "scale", "deployment", name, "--replicas=2"):
        world.until(lambda: warnings(world, team) != [], "it is told")
        told = warnings(world, team)
        threading.Event().wait(FIGHT_SECONDS)
        assert writes_to(world, "Deployment") - before <= 1 + 3 + 3, "at once three times, then after 10, 20, 40 s"
    assert told[0].startswith(f"the Deployment {name}: spec.replicas is changed again and again by kubectl")
    assert "change and scale the model itself" in told[0]
    assert len(warnings(world, team)) <= 2, "it is not said again and again"
    world.until(
        lambda: world.get(team, "deployment", name)["spec"]["replicas"] == 1, "in the end it is ours", seconds=120
    )
    world.wait_for(team, "tiny", "Serving")


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: %(team)s}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %(team)s}}
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: >
          Object{%(change)s}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: %(team)s}
spec: {policyName: %(team)s}
"""


@contextmanager
def admission(world: OperatorWorld, team: str, change: str) -> Iterator[None]:
    """A policy of the cluster that changes every Deployment of the namespace when it is written."""
    world.cluster.kubectl("apply", "-f", "-", input=POLICY % {"team": team, "change": change})
    probe = ["-n", team, "create", "deployment", "probe", "--image=i", "--replicas=0", "--dry-run=server", "-o", "json"]
    try:
        world.until(lambda: "by-policy" in world.cluster.kubectl(*probe), "the policy is in force")
        yield
    finally:
        for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
            world.cluster.kubectl("delete", kind, team)


THEIRS = 'metadata: Object.metadata{labels: {"team.example/seen": "by-policy"}}'


def test_what_a_policy_adds_on_admission_costs_no_write(world: OperatorWorld, team: str) -> None:
    world.until_quiet(quiet_seconds=3)
    before = writes_to(world, "Deployment")
    with admission(world, team, THEIRS):
        world.wish(team, "tiny")
        world.wait_for(team, "tiny", "Serving")
        world.until_quiet(quiet_seconds=3)
        name = one_deployment(world, team)
        assert world.get(team, "deployment", name)["metadata"]["labels"]["team.example/seen"] == "by-policy"
        assert writes_to(world, "Deployment") - before == 1, "it was created"
        assert warnings(world, team) == []


def test_what_a_policy_changes_on_admission_is_told_and_not_written_for_ever(world: OperatorWorld, team: str) -> None:
    before = writes_to(world, "Deployment")
    with admission(world, team, f"{THEIRS}, spec: Object.spec{{progressDeadlineSeconds: 123}}"):
        world.wish(team, "tiny")
        world.wait_for(team, "tiny", "Serving")
        world.until(lambda: warnings(world, team) != [], "it is told")
        world.until_quiet(quiet_seconds=3)
        assert writes_to(world, "Deployment") - before <= 2
        (told,) = warnings(world, team)
        assert "spec.progressDeadlineSeconds is changed again and again by what changes objects on admission" in told
        name = one_deployment(world, team)
        world.cluster.kubectl("-n", team, "scale", "deployment", name, "--replicas=2")
        world.until(lambda: world.get(team, "deployment", name)["spec"]["replicas"] == 1, "the rest is put back")
        world.until_quiet(quiet_seconds=3)
