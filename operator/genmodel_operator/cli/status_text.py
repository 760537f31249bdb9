"""A model's story on one screen. Pure: the moment and the screen's size are given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genmodel_operator.causes import is_ready
from genmodel_operator.cli.bars import memory_bars
from genmodel_operator.cli.layout import age, amount, coloured, cut, duration, rows_of, table, wrapped
from genmodel_operator.cli.story import Story, event_time
from genmodel_operator.cli.terminal import Style
from genmodel_operator.cli.verdict import (
    Download,
    State,
    Verdict,
    download_of,
    pod_phase,
    pod_restarts,
    remarkable,
    verdict_of,
)

_LABEL = 11
_LEAST_BAR, _MOST_BAR = 8, 40
_MOST_PODS = 8
_MOST_EVENTS = 5
STATE_COLOURS = {State.READY: "1;32", State.WORKING: "1;33", State.STALLED: "1;31", State.GOING: "1;33"}


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together; the one with the highest ``spare`` is left out first where room is short."""

    lines: Sequence[str]
    spare: int = 0


def status_text(story: Story, style: Style) -> str:
    """Return the whole screen as text, with a line end."""
    return "\n".join(_joined(list(_blocks(story, style)))) + "\n"


def status_screen(story: Story, style: Style, rows: int) -> list[str]:
    """Return the lines for a screen of so many rows; what matters least is left out first."""
    blocks = list(_blocks(story, style))
    while rows_of(_joined(blocks), style.width) > rows and any(block.spare for block in blocks):
        blocks.remove(max(blocks, key=lambda block: block.spare))
    lines = _joined(blocks)
    if rows_of(lines, style.width) <= rows:
        return lines
    while rows_of(lines, style.width) >= rows:
        lines.pop()
    return [*lines, "  ... a larger window shows more"]


def _joined(blocks: Sequence[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block.lines] if lines and block.lines else block.lines
    return lines


def _blocks(story: Story, style: Style) -> Iterator[Block]:
    verdict = verdict_of(story.model)
    yield Block([*_head(story, style), *verdict_lines(verdict, style), *_download(story, style)])
    yield Block(_pods(story, style))
    yield Block(_plan(story, style), spare=1)
    yield Block(_memory(story, style), spare=4)
    yield Block(_endpoint(story, style))
    yield Block(_conditions(story, style))
    yield Block(_events(story, style), spare=3)
    yield Block([line for note in story.notes for line in wrapped(note, style)], spare=5)


def _head(story: Story, style: Style) -> list[str]:
    model, found = story.model, story.model.status.model
    title = f"{model.metadata.namespace}/{model.metadata.name}"
    parts = [found.repository if found else model.spec.model]
    if found is not None:
        parts = [f"{found.repository} @ {found.commit[:7]}", found.task, found.license or "no licence named"]
        parts += ["gated"] if found.gated else []
        parts += [f"runs code of its own ({found.remote_code})"] if found.remote_code else []
    facts = wrapped(", ".join(parts), style)
    return [coloured(cut(title, style.width, style), style, "1"), *facts]


def verdict_lines(verdict: Verdict, style: Style) -> list[str]:
    """Return the verdict: the state and reason, then the whole message."""
    mark = "\N{BLACK CIRCLE}" if style.unicode else "*"
    state = verdict.state.value if verdict.state.value == verdict.reason else f"{verdict.state.value}: {verdict.reason}"
    return [
        f"{coloured(mark, style, STATE_COLOURS[verdict.state])} {coloured(state, style, '1')}",
        *_message(verdict, style),
    ]


def _message(verdict: Verdict, style: Style) -> Iterator[str]:
    """Yield what is the case, and on a line of its own what to do."""
    said, _, remedy = verdict.message.partition("; ")
    yield from wrapped(said, style)
    if remedy:
        arrow = "\N{RIGHTWARDS ARROW}" if style.unicode else "->"
        yield from wrapped(remedy, style, indent=f"  {arrow} ", hanging=" " * (3 + len(arrow)))


def _download(story: Story, style: Style) -> list[str]:
    download = download_of(story.model, story.runtimes)
    return [] if download is None else [_progress_bar(download, style)]


def _progress_bar(download: Download, style: Style) -> str:
    share = min(1.0, download.bytes_done / download.bytes_total)
    figures = [f" {int(100 * share):3} %", f"{amount(download.bytes_done)} of {amount(download.bytes_total)}"]
    if download.seconds_left is not None:
        figures.append(f"{duration(download.seconds_left)} left")
    if download.bytes_per_second:
        figures.insert(2, f"{amount(download.bytes_per_second)}/s")
    while len("  ".join(figures)) > style.width - 2 - _LEAST_BAR and len(figures) > 2:
        del figures[2]
    words = "  ".join(figures)
    width = max(_LEAST_BAR, min(_MOST_BAR, style.width - 2 - len(words)))
    full, empty = ("\N{FULL BLOCK}", "\N{LIGHT SHADE}") if style.unicode else ("#", ".")
    done = int(width * share)
    return f"  {coloured(full * done, style, '32')}{empty * (width - done)}{words}"


def _pods(story: Story, style: Style) -> list[str]:
    rows = [
        [
            pod["metadata"]["name"],
            pod.get("spec", {}).get("nodeName", "-"),
            pod_phase(pod, story.runtimes.get(pod["metadata"]["name"], {})),
            "yes" if is_ready(pod) else "no",
            str(pod_restarts(pod)),
            age(pod["metadata"]["creationTimestamp"], story.now),
        ]
        for pod in story.pods
    ]
    if not rows:
        return []
    lines = table(["POD", "NODE", "PHASE", "READY", "RESTARTS", "AGE"], rows[-_MOST_PODS:], style, give=1)
    older = len(rows) - _MOST_PODS
    return [*lines, f"  and {older} older"] if older > 0 else lines


def _plan(story: Story, style: Style) -> list[str]:
    plan, display = story.model.status.plan, story.model.status.display
    if plan is None:
        return []
    what = (display.accelerator if display else None) or plan.accelerator.product
    parts = [f"{what} per replica" if plan.accelerator.count else str(what)]
    parts += [f"tensor parallel {plan.tensor_parallel}"] if plan.tensor_parallel > 1 else []
    parts += [f"pipeline parallel {plan.pipeline_parallel}"] if plan.pipeline_parallel > 1 else []
    parts += [f"{plan.max_model_len} tokens per request", f"{plan.concurrency:g} such requests at once"]
    lines = _row("plan", ", ".join(parts), style)
    if plan.overridden:
        lines += _row("not used", f"{', '.join(plan.overridden)} of spec.engine: correctness needs ours", style)
    return lines


def _memory(story: Story, style: Style) -> list[str]:
    plan = story.model.status.plan
    if plan is None:
        return []
    count = plan.accelerator.count
    device = "container" if count == 0 else "one GPU" if count == 1 else "each GPU"
    return memory_bars(plan.memory, style, device=device)


def _endpoint(story: Story, style: Style) -> list[str]:
    model, endpoint = story.model, story.model.status.endpoint
    if endpoint is None:
        return []
    if not model.status.ready_replicas:
        return _row("endpoint", f"{endpoint.url} (no pod answers yet)", style)
    metadata = model.metadata
    body = [f'{{"model": "{endpoint.served_model_name}",', '"messages": [{"role": "user", "content": "Hello"}]}']
    page = "chat/completions"
    if model.status.model is not None and model.status.model.task == "Embed":
        body[1], page = '"input": ["Hello"]}', "embeddings"
    if model.status.model is not None and model.status.model.task == "Score":
        body[1], page = '"query": "Hello", "documents": ["Good morning", "Good night"]}', "rerank"
    needs_key = ((story.raw.get("spec") or {}).get("access") or {}).get("apiKeysSecretRef")
    return [
        *_row("endpoint", endpoint.url, style),
        *_row("from here", "", style),
        f"    kubectl -n {metadata.namespace} port-forward service/{metadata.name} 8000:80 &",
        f"    curl http://127.0.0.1:8000/v1/{page} \\",
        *(['      -H "Authorization: Bearer $API_KEY" \\'] if needs_key else []),
        "      -H 'Content-Type: application/json' \\",
        f"      -d '{body[0]}",
        f"          {body[1]}'",
    ]


def _conditions(story: Story, style: Style) -> list[str]:
    lines: list[str] = []
    for found in remarkable(story.model):
        lines += wrapped(f"{found.type}: {found.reason}: {found.message}", style, hanging="    ", most=4)
    return lines


def _events(story: Story, style: Style) -> list[str]:
    lines = []
    for event in story.events[-_MOST_EVENTS:]:
        ago = age(event_time(event), story.now)
        note = " ".join(str(event.get("note", "")).split())
        line = cut(f"  {ago:>6}  {event.get('reason', '?'):<17} {note}", style.width, style)
        lines.append(coloured(line, style, "33") if event.get("type") == "Warning" else line)
    return ["  lately told", *lines] if lines else []


def _row(label: str, text: str, style: Style) -> list[str]:
    lines = wrapped(text, style, indent=f"  {label:<{_LABEL - 2}}", hanging=" " * _LABEL)
    return lines or [f"  {label}"]
