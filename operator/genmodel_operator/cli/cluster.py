"""The current cluster, read with the user's own permissions."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from genmodel_operator.api import labels
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.nodes import Cluster
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, Unauthorized
from genmodel_operator.kube.kinds import NODE, POD
from genmodel_operator.kube.own_namespace import own_namespace
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Usage, usage_of

TIMEOUT_SECONDS = 10.0
"""Somebody waits at a terminal: an API server that takes longer is as good as gone."""


async def read_cluster(settings: Settings, *, environ: Mapping[str, str], otherwise: str) -> Cluster:
    """Return the nodes of the cluster that kubectl would use; raise ``CommandError``.

    ``otherwise`` names the options that do without a cluster.
    """
    client = await connect(settings, environ, purpose="to plan for", otherwise=f", or name nodes with {otherwise}")
    try:
        nodes = await client.list(NODE)
        used, warnings = await _usage(client)
    except KubeError as error:
        raise _unreadable(error, otherwise) from error
    finally:
        await client.close()
    return Cluster(nodes, used, warnings=warnings)


async def connect(settings: Settings, environ: Mapping[str, str], *, purpose: str, otherwise: str = "") -> KubeClient:
    """Return a client for the cluster that kubectl would use; raise ``CommandError``. Sends nothing."""
    found = with_kubeconfig(environ)
    try:
        return await KubeClient.connect(settings, environ=found, timeout_seconds=TIMEOUT_SECONDS)
    except ConnectionConfigError as error:
        why = str(error).rstrip(".") if "KUBECONFIG" in found else "neither KUBECONFIG nor ~/.kube/config names one"
        raise CommandError(f"no cluster {purpose}: {why}; name one{otherwise}") from error


def current_namespace(environ: Mapping[str, str]) -> str:
    """Return the namespace that kubectl would use: that of the current context, in a pod the pod's own."""
    named = with_kubeconfig(environ).get("KUBECONFIG", "")
    files = [document for name in named.split(os.pathsep) if name for document in _kubeconfig(Path(name))]
    current = next((found["current-context"] for found in files if found.get("current-context")), None)
    contexts = (context for found in files for context in found.get("contexts") or [])
    wanted: dict[str, Any] = next((context for context in contexts if context.get("name") == current), {})
    return str((wanted.get("context") or {}).get("namespace") or ("" if named else own_namespace("")) or "default")


def _kubeconfig(file: Path) -> list[dict[str, Any]]:
    """Return what a kubeconfig holds; what cannot be read has told the client already."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    return [found] if isinstance(found, dict) else []


async def _usage(client: KubeClient) -> tuple[Usage, tuple[str, ...]]:
    """Return the devices that models' pods use, which only decides between candidates that are equal otherwise."""
    try:
        return usage_of(await client.list(POD, label_selector=labels.OWNED_SELECTOR)), ()
    except Forbidden:
        return {}, ("the pods of models may not be listed: which devices are free now is not known",)


def _unreadable(error: KubeError, otherwise: str) -> CommandError:
    said = f"the cluster's nodes cannot be read: {error}"
    if isinstance(error, Forbidden):
        said += "; ask for the right to list nodes"
    elif isinstance(error, Unauthorized):
        said += "; log in again"
    else:
        said += "; check the current context of kubectl"
    return CommandError(f"{said}, or name nodes with {otherwise}", exit_code=1)


def with_kubeconfig(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with kubectl's own default for KUBECONFIG filled in where there is such a file."""
    default = Path(environ.get("HOME") or os.path.expanduser("~")) / ".kube" / "config"  # noqa: PTH111 - as kubectl does
    if environ.get("KUBECONFIG") or not default.is_file():
        return dict(environ)
    return {**environ, "KUBECONFIG": str(default)}
