"""``genmodel status``: what is with a model, read with the user's own rights."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import yaml

from genmodel_operator.cli.cluster import connect, current_namespace
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.live import Appended, Frame, Redrawn, watch
from genmodel_operator.cli.status_document import models_document, story_document
from genmodel_operator.cli.status_table import models_table
from genmodel_operator.cli.status_text import status_screen, status_text
from genmodel_operator.cli.story import Reporter
from genmodel_operator.cli.terminal import Style, detect_style
from genmodel_operator.cli.verdict import download_of, verdict_of
from genmodel_operator.settings import Settings

NOT_READY = 1
"""Exit code of a watch that ended before the model was Ready."""
_TOO_TALL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """What the user asked for; the names are those of the options."""

    name: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False
    watch: bool = False
    timeout: float | None = None
    fail_fast: bool = False
    output: str = "text"


class _View:
    """Reads and lays out what was asked for, again and again."""

    def __init__(self, request: StatusRequest, reporter: Reporter, namespace: str | None, style: Callable[[], Style]):
        self._name = request.name
        self._reporter, self._namespace, self._style = reporter, namespace, style

    async def document(self) -> dict[str, Any]:
        """Return the answer for programs."""
        if self._name is None:
            return models_document(await self._reporter.models(self._namespace))
        return story_document(await self._reporter.story(str(self._namespace), self._name))

    async def text(self) -> str:
        """Return the whole answer for people."""
        if self._name is None:
            models = await self._reporter.models(self._namespace)
            lines = models_table(models, self._style(), datetime.now(UTC), namespace=self._namespace)
            return "\n".join(lines) + "\n"
        return status_text(await self._reporter.story(str(self._namespace), self._name), self._style())

    async def frame(self, rows: int) -> Frame:
        """Return the answer for a screen of so many rows."""
        if self._name is None:
            models = await self._reporter.models(self._namespace)
            lines = models_table(models, self._style(), datetime.now(UTC), namespace=self._namespace)
            return Frame(lines[:rows], {_place(model): verdict_of(model) for model in models}, {})
        story = await self._reporter.story(str(self._namespace), self._name)
        download = download_of(story.model, story.runtimes)
        lines = status_screen(story, self._style(), rows)
        return Frame(lines, {self._name: verdict_of(story.model)}, {self._name: download} if download else {})


def _place(model: Any) -> str:
    return f"{model.metadata.namespace}/{model.metadata.name}"


async def status(request: StatusRequest, *, settings: Settings, environ: Mapping[str, str], stream: TextIO) -> str:
    """Return what is to be printed; a watch writes to ``stream`` itself.

    Raises ``CommandError``, also where the watch ends before the model is Ready.
    """
    _check(request)
    namespace = None if request.all_namespaces else request.namespace or current_namespace(environ)
    client = await connect(settings, environ, purpose="to ask")
    view = _View(request, Reporter(client), namespace, lambda: detect_style(stream, environ))
    try:
        if request.watch:
            await _watch(request, view, stream)
            return ""
        if request.output == "text":
            return await view.text()
        return _written(await view.document(), request.output)
    finally:
        await client.close()


def _check(request: StatusRequest) -> None:
    if request.watch and request.output != "text":
        raise CommandError(f"-o {request.output}: -w shows a screen; leave one of both out")
    if request.name and request.all_namespaces:
        raise CommandError(f"-A: {request.name} is in one namespace; name it with -n")
    for option, is_given in (("--timeout", request.timeout is not None), ("--fail-fast", request.fail_fast)):
        if is_given and not request.watch:
            raise CommandError(f"{option}: is for -w, which waits")


async def _watch(request: StatusRequest, view: _View, stream: TextIO) -> None:
    is_terminal = stream.isatty()
    display = Redrawn(stream) if is_terminal else Appended(stream)

    async def look() -> Frame:
        rows = shutil.get_terminal_size().lines - 2 if is_terminal else _TOO_TALL
        return await view.frame(rows)

    problem = await watch(look, display, timeout_seconds=request.timeout, fail_fast=request.fail_fast)
    if problem is not None:
        raise CommandError(problem, exit_code=NOT_READY)


def _written(document: dict[str, Any], output: str) -> str:
    if output == "json":
        return json.dumps(document, indent=2) + "\n"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
