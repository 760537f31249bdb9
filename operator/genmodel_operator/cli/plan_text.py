"""A plan for people: where one device's memory goes, how the model is served, and what was not chosen."""

import textwrap
from collections.abc import Iterator, Sequence

from genmodel_operator.cli.bars import memory_bars
from genmodel_operator.cli.local import NO_COMMIT
from genmodel_operator.cli.plan import PlanReport
from genmodel_operator.cli.plan_document import engine_arguments, listed_groups, refusal_words
from genmodel_operator.cli.terminal import Style
from genmodel_operator.engines.reasoning import reasoning_said
from genmodel_operator.engines.tool_calls import tools_said
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.explain import devices_text
from genmodel_operator.sizing.plan import Misfit, RejectedCandidate, ServingPlan, accelerator_display, plan_status

GIB = 1024**3
_MOST_REJECTED = 12
_MOST_GROUPS = 3
_WIDE = 60
_LABEL = 15
_WIRING = {
    "--model": 1, "--served-model-name": 2, "--host": 1, "--port": 1, "--load-format": 1,
    "--disable-access-log-for-endpoints": 1, "--disable-fastapi-docs": 0, "--disable-uvicorn-access-log": 0,
}  # fmt: skip
"""Flags that follow from the pod and say nothing of the plan, with the number of their values."""


def plan_text(report: PlanReport, style: Style) -> str:
    """Return the answer as text, with a line end."""
    answer = report.decision.answer
    body = _misfit(report, answer, style) if isinstance(answer, Misfit) else _plan(report, answer, style)
    blocks = [[_head(report, style)], body, _rejected(answer.rejected, style), _notes(report, style)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(report: PlanReport, style: Style) -> str:
    facts = report.found.facts
    commit = [] if facts.commit == NO_COMMIT else [facts.commit[:7]]
    parts = [
        *commit,
        report.decision.task.value,
        f"{_count(facts.parameters)} parameters" if facts.quantization is None else f"{facts.quantization} quantised",
        f"{facts.stored_precision} {facts.weights_bytes / GIB:.2f} GiB",
        f"{facts.max_context} tokens at most",
        *([facts.license] if facts.license else []),
    ]
    return "\n".join([_strong(facts.repository, style), *_wrapped(", ".join(parts), style)])


def _count(parameters: int) -> str:
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if parameters >= size:
            return f"{parameters / size:.3g} {name}"
    return str(parameters)


def _plan(report: PlanReport, plan: ServingPlan, style: Style) -> list[str]:
    status = plan_status(plan)
    fits = f"{plan.replicas_fit} {'replica fits' if plan.replicas_fit == 1 else 'replicas fit'}"
    title = f"{_strong(accelerator_display(plan), style)} per replica; {fits} on {_nodes(report, style)}"
    if not plan.is_gpu:
        title = f"{_strong(accelerator_display(plan), style)}; {fits} on {_nodes(report, style)}"
    lines = [*_wrapped(title, style, indent=""), "", *memory_bars(status.memory, style, device=_device(plan)), ""]
    return [*lines, *_facts_of_plan(report, plan, style), "", *_wrapped(plan.explanation, style)]


def _device(plan: ServingPlan) -> str:
    if not plan.is_gpu:
        return "container"
    return "one GPU" if plan.count == 1 else "each GPU"


def _nodes(report: PlanReport, style: Style) -> str:
    origin = report.surveyed.origin
    groups = listed_groups(report.surveyed.inventory.groups)
    if len(groups) > _MOST_GROUPS:
        return f"{sum(group.nodes for group in groups)} nodes of {len(groups)} kinds{f' ({origin})' if origin else ''}"
    named = [_together(_group(group), style) for group in groups] or ["no nodes"]
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    return f"{listed} ({origin})" if origin else listed


def _group(group: NodeGroup) -> str:
    nodes = "node" if group.nodes == 1 else "nodes"
    if not group.is_gpu:
        return f"{group.nodes} CPU {nodes}"
    return f"{group.nodes} {nodes} with {devices_text(group.product, group.devices_per_node)}"


def _facts_of_plan(report: PlanReport, plan: ServingPlan, style: Style) -> Iterator[str]:
    limit = report.found.facts.max_context
    whose = "the model's own limit" if plan.max_model_len == limit else f"of the {limit} that the model was made for"
    length = f"{plan.max_model_len} tokens per request, {whose}"
    requests = "request" if plan.concurrency == 1 else "requests"
    held = f"{plan.concurrency:g} {requests} of that length at once"
    if plan.kv_tokens:
        held += f"; the KV cache holds {plan.kv_tokens} tokens"
    parallel = f"tensor parallel {plan.tensor_parallel}"
    if plan.pipeline_parallel > 1:
        parallel += f", pipeline parallel {plan.pipeline_parallel}"
    host = f"{plan.host_memory_gib:.1f} GiB memory, {plan.shm_gib:.1f} GiB /dev/shm, {plan.ephemeral_gib:.1f} GiB disk"
    yield from _row("context", length, style)
    yield from _row("concurrency", held, style)
    yield from _row("layout", f"{parallel}, {plan.dtype}, vLLM {report.settings.engines.version}", style)
    yield from _row("host", host, style)
    if said := tools_said(report.found.facts, report.decision.task):
        yield from _row("tool calls", said, style)
    if said := reasoning_said(report.found.facts, report.decision.task):
        yield from _row("reasoning", said, style)
    yield from _row("engine flags", " ".join(_without_wiring(engine_arguments(report, plan), style)), style)


def _without_wiring(arguments: Sequence[str], style: Style) -> list[str]:
    """Return the flags that the plan stands on; a flag and its value stay on one line where it is wide enough."""
    between = _together(" ", style)
    kept: list[str] = []
    skip = 0
    for argument in arguments:
        if argument in _WIRING:
            skip = _WIRING[argument]
        elif skip:
            skip -= 1
        else:
            is_value = bool(kept) and kept[-1].startswith("--") and not argument.startswith("--")
            kept[-1:] = [f"{kept[-1]}{between}{argument}"] if is_value else [*kept[-1:], argument]
    return kept


def _together(text: str, style: Style) -> str:
    """Return words that are not parted at the end of a line where it is wide enough."""
    return text.replace(" ", "\N{NO-BREAK SPACE}") if style.width >= _WIDE else text


def _misfit(report: PlanReport, misfit: Misfit, style: Style) -> list[str]:
    message, change = refusal_words(misfit)
    title = f"{_strong('Not served', style, colour='31')} ({misfit.reason}) on {_nodes(report, style)}"
    ways = change.split("; or ")
    lines = [*_wrapped(title, style, indent=""), "", *_wrapped(_sentence(message), style), ""]
    lines.append("what would help" if len(ways) == 1 else "what would help, any one of:")
    return [*lines, *(line for way in ways for line in _item(way, style))]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _rejected(rejected: Sequence[RejectedCandidate], style: Style) -> list[str]:
    """Return the candidates that were not chosen, one item each."""
    if not rejected:
        return []
    lines = ["not chosen"]
    for one in rejected[:_MOST_REJECTED]:
        lines += _item(f"{devices_text(one.product, one.count)}: {one.reason}", style)
    if len(rejected) > _MOST_REJECTED:
        lines += _item(f"{len(rejected) - _MOST_REJECTED} more, which -o json shows", style)
    return lines


def _notes(report: PlanReport, style: Style) -> list[str]:
    lines = [f"left out: {note}" for note in report.surveyed.inventory.notes]
    lines += [f"{_strong('warning', style, colour='33')}: {warning}" for warning in report.warnings]
    return [line for text in lines for line in _wrapped(text, style, indent="", hanging="  ")]


def _row(label: str, text: str, style: Style) -> list[str]:
    return _wrapped(text, style, indent=f"  {label:<{_LABEL - 2}}", hanging=" " * _LABEL)


def _item(text: str, style: Style) -> list[str]:
    return _wrapped(text, style, indent="  - ", hanging="    ")


def _wrapped(text: str, style: Style, *, indent: str = "  ", hanging: str | None = None) -> list[str]:
    lines = textwrap.wrap(
        text,
        # Colours take no room.
        style.width + (text.count("\033[") and len(text) - len(_plain(text))),
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _plain(text: str) -> str:
    for code in ("\033[1m", "\033[1;31m", "\033[1;33m", "\033[0m"):
        text = text.replace(code, "")
    return text


def _strong(text: str, style: Style, *, colour: str = "") -> str:
    return f"\033[1{f';{colour}' if colour else ''}m{text}\033[0m" if style.colour else text
