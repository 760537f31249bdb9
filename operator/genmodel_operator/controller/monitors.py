"""The model's PodMonitor, where the cluster has that kind. Nothing of it keeps a model from serving."""

import logging

from genmodel_operator.controller.children import write
from genmodel_operator.controller.context import Context
from genmodel_operator.controller.errors import Stalled, Waiting
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.kube.kinds import POD_MONITOR
from genmodel_operator.resources.monitor import build_pod_monitor

log = logging.getLogger(__name__)


async def apply_monitor(ctx: Context) -> None:
    """Write the PodMonitor where it differs; what stands in its way is told by an Event alone."""
    monitors = ctx.tools.monitors
    if monitors is None or not monitors.is_served or ctx.service is None:
        return
    try:
        await write(ctx, POD_MONITOR, build_pod_monitor(ctx.model, ctx.tools.settings.pod_monitors))
    except NotFound:
        log.info("PodMonitor went away", extra={"model": f"{ctx.namespace}/{ctx.name}"})
    except Waiting as waiting:
        ctx.look_again(waiting.after_seconds)
    except Stalled as stalled:
        log.warning("no PodMonitor: %s", stalled.message, extra={"model": f"{ctx.namespace}/{ctx.name}"})
        ctx.event_notes.append((stalled.reason, stalled.message))
