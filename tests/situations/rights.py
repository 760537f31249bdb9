"""An operator with the chart's own rights, or fewer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import Cluster
from tests.helm import NAMESPACE, RELEASE, Helm
from tests.operator_world import Object, OperatorWorld


@dataclass(frozen=True)
class Rights:
    """The operator's ClusterRole as the chart renders it."""

    world: OperatorWorld
    role: Object

    def without(self, verb: str, resource: str) -> None:
        """Take one right away."""
        rules = [
            {**rule, "verbs": [v for v in rule["verbs"] if v != verb]} if resource in rule["resources"] else rule
            for rule in self.role["rules"]
        ]
        self._write(rules)

    def all(self) -> None:
        """Give back what the chart gives."""
        self._write(self.role["rules"])

    def _write(self, rules: list[Object]) -> None:
        found = {**self.role, "rules": rules}
        self.world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(found))


@contextmanager
def operator_with_chart_rights(world: OperatorWorld, folder: Path) -> Iterator[Rights]:
    """Restart the operator as the chart's service account; as administrator again in the end."""
    cluster = world.cluster
    found = Helm(cluster, folder).objects({"hub": {"tokenSecretNames": ["genmodel-hub-token"]}})
    wanted = [
        document
        for (kind, _), document in found.items()
        if kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")
    ]
    cluster.kubectl("create", "namespace", NAMESPACE)
    rights = Rights(world, found["ClusterRole", RELEASE])
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    cluster.kubectl("apply", "--server-side", "-f", "-", input=document)
    world.stop_operator()
    try:
        world.start_operator(kubeconfig=account_kubeconfig(cluster, folder))
        yield rights
    finally:
        world.stop_operator()
        world.start_operator()
        cluster.kubectl("delete", "-f", "-", input=document)
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def account_kubeconfig(cluster: Cluster, folder: Path) -> Path:
    """Write a kubeconfig with a new token of the chart's service account."""
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", RELEASE, "--duration=1h").strip()
    config = yaml.safe_load(cluster.inner_kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
