"""``genmodel update``: a model takes the newer engine image or rendering that its status speaks of."""

from collections.abc import Mapping
from datetime import UTC, datetime

from genmodel_operator.api import labels
from genmodel_operator.cli.cluster import TIMEOUT_SECONDS, current_namespace, with_kubeconfig
from genmodel_operator.cli.input import CommandError
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound
from genmodel_operator.kube.kinds import GENERATIVE_MODEL
from genmodel_operator.settings import Settings


async def update(name: str, namespace: str | None, *, settings: Settings, environ: Mapping[str, str]) -> str:
    """Accept what is new for a model and return what happens now; raise ``CommandError``.

    Without a ``namespace`` it is that of the current context, as for kubectl.
    """
    try:
        client = await KubeClient.connect(settings, environ=with_kubeconfig(environ), timeout_seconds=TIMEOUT_SECONDS)
    except ConnectionConfigError as error:
        raise CommandError(f"no cluster: {error}") from error
    namespace = namespace or current_namespace(environ)
    try:
        value = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await client.annotate(GENERATIVE_MODEL, namespace, name, {labels.UPDATE: value})
    except KubeError as error:
        raise _refused(error, name, namespace) from error
    finally:
        await client.close()
    return (
        f"{namespace}/{name} takes what is new: a new revision comes up, and the old one serves until it answers\n"
        f"to go back: kubectl -n {namespace} annotate gm {name} {labels.UPDATE}-\n"
    )


def _refused(error: KubeError, name: str, namespace: str) -> CommandError:
    if isinstance(error, NotFound):
        return CommandError(f"there is no model {name} in the namespace {namespace}; see kubectl get gm -A")
    said = f"{namespace}/{name} cannot be updated: {error}"
    if isinstance(error, Forbidden):
        said += f"; ask for the right to patch {labels.PLURAL}"
    return CommandError(said, exit_code=1)
