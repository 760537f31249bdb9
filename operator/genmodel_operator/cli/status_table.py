"""All models of a namespace, or of the cluster, as a table and the words behind what is not ready. Pure."""

from collections.abc import Sequence
from datetime import datetime

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.layout import age, coloured, table, wrapped
from genmodel_operator.cli.status_text import STATE_COLOURS
from genmodel_operator.cli.terminal import Style
from genmodel_operator.cli.verdict import State, verdict_of

_MOST_TOLD = 5
_LINES_EACH = 2


def models_table(models: Sequence[GenerativeModel], style: Style, now: datetime, *, namespace: str | None) -> list[str]:
    """Return the lines; ``namespace`` is None for all namespaces, which then is a column."""
    if not models:
        where = f"in namespace {namespace}; genmodel status -A shows all" if namespace else "in this cluster"
        return [f"no models {where}"]
    head = ["NAME", "MODEL", "ACCELERATOR", "REPLICAS", "READY", "REASON", "AGE"]
    rows = [_row(model, now) for model in models]
    give = 1
    if namespace is None:
        head.insert(0, "NAMESPACE")
        rows = [[model.metadata.namespace, *row] for model, row in zip(models, rows, strict=True)]
        give = 2
    lines = table(head, rows, style, give=give)
    coloured_rows = [_coloured(line, model, style) for line, model in zip(lines[1:], models, strict=True)]
    return [lines[0], *coloured_rows, *_told(models, style, has_namespace=namespace is None)]


def _row(model: GenerativeModel, now: datetime) -> list[str]:
    verdict, display = verdict_of(model), model.status.display
    return [
        model.metadata.name,
        model.spec.model,
        (display.accelerator if display else None) or "-",
        (display.replicas if display else None) or "-",
        str(verdict.state is State.READY),
        verdict.reason,
        age(model.metadata.creation_timestamp or "", now),
    ]


def _coloured(line: str, model: GenerativeModel, style: Style) -> str:
    state = verdict_of(model).state
    return line if state is State.READY else coloured(line, style, STATE_COLOURS[state])


def _told(models: Sequence[GenerativeModel], style: Style, *, has_namespace: bool) -> list[str]:
    """Return the messages of what is not ready, those that need a person first."""
    verdicts = [(verdict_of(model), model) for model in models]
    order = {State.STALLED: 0, State.WORKING: 1, State.GOING: 2}
    waiting = sorted((found for found in verdicts if found[0].state in order), key=lambda found: order[found[0].state])
    lines: list[str] = []
    for verdict, model in waiting[:_MOST_TOLD]:
        place = f"{model.metadata.namespace}/{model.metadata.name}" if has_namespace else model.metadata.name
        lines += wrapped(f"{place}: {verdict.message}", style, hanging="    ", most=_LINES_EACH)
    more = len(waiting) - _MOST_TOLD
    return ["", *lines, *([f"  and {more} more"] if more > 0 else [])] if lines else []
