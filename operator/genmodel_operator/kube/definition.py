"""Whether the cluster's definition of our kind is there, and not older than this operator.

The definition itself may not be read: what the API server serves is asked from its discovery, which everybody may.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from genmodel_operator import __version__
from genmodel_operator.api import labels
from genmodel_operator.api.crd import CRD_NAME, root_schema
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.kinds import GENERATIVE_MODEL

_SHOWN = 3
_WAY_OUT = "the chart brings it, and genmodel crd prints it"


async def definition_problem(client: KubeClient) -> str | None:
    """Return what is wrong with the definition, or None. Raises a ``KubeError`` where nothing is answered."""
    if not await client.is_served(GENERATIVE_MODEL):
        return f"the CustomResourceDefinition {CRD_NAME} with version {labels.VERSION} is not installed; {_WAY_OUT}"
    served = await client.served_schema(GENERATIVE_MODEL)
    if not served:
        return f"the API server has not published the schema of {CRD_NAME} yet"
    missing = list(missing_fields(root_schema(), served))
    if not missing:
        return None
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return (
        f"the CustomResourceDefinition {CRD_NAME} is older than the operator {__version__}: it lacks "
        f"{', '.join(missing[:_SHOWN])}{more}; install that of this version: {_WAY_OUT}"
    )


def missing_fields(wanted: Mapping[str, Any], served: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of fields that a schema lacks; of a field that is missing, not what is in it."""
    there = served.get("properties") or {}
    for name, member in (wanted.get("properties") or {}).items():
        inner = f"{path}.{name}" if path else name
        if name not in there:
            yield inner
        else:
            yield from missing_fields(member, there[name], inner)
    if "items" in wanted:
        yield from missing_fields(wanted["items"], served.get("items") or {}, f"{path}[]")
