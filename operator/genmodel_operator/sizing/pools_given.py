"""The static pools that hold now: those of the operator's settings, or those of the policy."""

from collections.abc import Sequence

from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.pool import AcceleratorPool
from genmodel_operator.settings import Settings

TWICE = "pools: the setting accelerators.pools has pools, too; keep them in one of the two places"

NONE = "pools: inventory.mode is pools, and none is described, here or in accelerators.pools: nothing could be planned"


def pools_given(settings: Settings, policy: Policy | None = None) -> Sequence[AcceleratorPool]:
    """Return the pools; ``policy`` is the one that holds now, None for that of the settings."""
    return settings.accelerators.pools or (policy or settings.policy).pools


def contradiction(settings: Settings, policy: Policy) -> str:
    """Return what is wrong with a policy beside these settings; empty where nothing is."""
    if settings.accelerators.pools and policy.pools:
        return TWICE
    is_blind = not (settings.inventory.reads_nodes or pools_given(settings, policy))
    return NONE if is_blind else ""
