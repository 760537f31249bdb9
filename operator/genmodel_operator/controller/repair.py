"""Putting back what somebody changed: when, and what is said of it."""

import logging

from genmodel_operator.api import labels
from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.controller.contest import fields_text, writers_text
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.controller.errors import Waiting
from genmodel_operator.kube.apply import Difference, differences
from genmodel_operator.kube.kinds import Kind

log = logging.getLogger(__name__)

ON_ADMISSION = "what changes objects on admission (a webhook or a policy)"


def is_held_back(ctx: Context, kind: Kind, wanted: Object, live: Object | None) -> bool:
    """Return whether a child that differs is left as it is for now, because others change it again and again.

    Raises ``Waiting`` where there is nothing to leave: somebody deletes it again and again.
    """
    if live is not None and ctx.tools.contests.is_overruled(kind, wanted, live):
        return True
    seconds = ctx.tools.contests.hold_seconds(kind, wanted)
    if seconds <= 0:
        _log_repair(ctx, kind, wanted, live)
        return False
    if live is None:
        name = wanted["metadata"]["name"]
        values = {"kind": kind.kind, "name": name, "fields": "everything", "writers": "somebody who deletes it"}
        raise Waiting(Reason.CONTESTED, after_seconds=seconds, **values)
    ctx.look_again(seconds)
    _tell(ctx, kind, live, differences(live, wanted), writers_text(live))
    return True


def _log_repair(ctx: Context, kind: Kind, wanted: Object, live: Object | None) -> None:
    """Say what is put back; where our own wish has changed that is no repair."""
    if live is None or _hash(live) != _hash(wanted):
        return
    extra = {
        "model": f"{ctx.namespace}/{ctx.name}",
        "kind": kind.kind,
        "child": wanted["metadata"]["name"],
        "fields": fields_text(differences(live, wanted)),
        "writers": writers_text(live),
    }
    log.info("a child was changed and is put back", extra=extra)


def _hash(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(labels.DESIRED_HASH))


def note_write(ctx: Context, kind: Kind, wanted: Object, written: Object) -> Object:
    """Remember a write and return what came of it; say where admission made something else of it."""
    overruled = ctx.tools.contests.wrote(kind, wanted, written)
    if overruled:
        _tell(ctx, kind, written, overruled, ON_ADMISSION)
    return written


def _tell(ctx: Context, kind: Kind, live: Object, found: tuple[Difference, ...], writers: str) -> None:
    values = {"kind": kind.kind, "name": live["metadata"]["name"], "fields": fields_text(found), "writers": writers}
    message = explain(Reason.CONTESTED, **values)
    log.warning("a child is contested: %s", message, extra={"model": f"{ctx.namespace}/{ctx.name}"})
    ctx.event_notes.append((Reason.CONTESTED, message))
