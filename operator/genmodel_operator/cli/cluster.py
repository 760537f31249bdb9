"""The current cluster, read with the user's own permissions."""

import os
from collections.abc import Mapping
from pathlib import Path

from genmodel_operator.api import labels
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.nodes import Cluster
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, Unauthorized
from genmodel_operator.kube.kinds import NODE, POD
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Usage, usage_of

TIMEOUT_SECONDS = 10.0
"""Somebody waits at a terminal: an API server that takes longer is as good as gone."""


async def read_cluster(settings: Settings, *, environ: Mapping[str, str], otherwise: str) -> Cluster:
    """Return the nodes of the cluster that kubectl would use; raise ``CommandError``.

    ``otherwise`` names the options that do without a cluster.
    """
    found = with_kubeconfig(environ)
    try:
        client = await KubeClient.connect(settings, environ=found, timeout_seconds=TIMEOUT_SECONDS)
    except ConnectionConfigError as error:
        why = str(error).rstrip(".") if "KUBECONFIG" in found else "neither KUBECONFIG nor ~/.kube/config names one"
        raise CommandError(f"no cluster to plan for: {why}; name one, or name nodes with {otherwise}") from error
    try:
        nodes = await client.list(NODE)
        used, warnings = await _usage(client)
    except KubeError as error:
        raise _unreadable(error, otherwise) from error
    finally:
        await client.close()
    return Cluster(nodes, used, warnings=warnings)


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
