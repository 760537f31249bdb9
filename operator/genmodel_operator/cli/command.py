"""The command ``genmodel``; each command imports what it needs, so that the small ones start at once."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genmodel_operator import __version__
from genmodel_operator.cli.parser import build_parser

if TYPE_CHECKING:
    from genmodel_operator.api.v1alpha1 import GenerativeModel
    from genmodel_operator.cli.nodes import Cluster, ReadCluster
    from genmodel_operator.cli.plan import FetchFacts, Found
    from genmodel_operator.settings import Settings

Environ = Mapping[str, str]


def main(arguments: Sequence[str] | None = None, environ: Environ | None = None) -> int:
    """Run one command and return its exit code, as ``genmodel --help`` documents them."""
    options = build_parser().parse_args(arguments)
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
    try:
        return _COMMANDS[options.command](options, os.environ if environ is None else environ)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        _stop_writing()
        return 0


def _stop_writing() -> None:
    """Send what is still to be written, also at the end of the process, nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(_options: Namespace, _environ: Environ) -> int:
    from genmodel_operator.__main__ import main as run_operator

    run_operator()
    return 0


def _crd(_options: Namespace, _environ: Environ) -> int:
    from genmodel_operator.api.crd import build_crd, to_yaml

    sys.stdout.write(to_yaml(build_crd()))
    sys.stdout.flush()
    return 0


def _version(_options: Namespace, _environ: Environ) -> int:
    print(f"genmodel {__version__}")
    return 0


def _render(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.render import RenderRequest, render
    from genmodel_operator.configuration import load_with_policy

    def work() -> str:
        wanted = {name: value for name, value in vars(options).items() if name != "command"}
        settings = load_with_policy(environ)
        cluster = _cluster_reader(settings, environ, "--gpu, --cpu or --nodes")
        rendered = asyncio.run(
            render(RenderRequest(**wanted), settings=settings, environ=environ, read_cluster=cluster)
        )
        for note in rendered.notes:
            print(note, file=sys.stderr)
        return rendered.text

    return _answer(work)


def _status(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.status import StatusRequest, status
    from genmodel_operator.configuration import load_settings

    request = StatusRequest(**{name: value for name, value in vars(options).items() if name != "command"})

    def work() -> str:
        return asyncio.run(status(request, settings=load_settings(environ), environ=environ, stream=sys.stdout))

    return _answer(work)


def _plan(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.described import Hardware
    from genmodel_operator.cli.input import NOTHING_FITS
    from genmodel_operator.cli.plan import PlanRequest, plan
    from genmodel_operator.cli.plan_output import write_plan
    from genmodel_operator.configuration import load_with_policy

    said = vars(options)
    hardware = Hardware(**{name: said[name] for name in Hardware.__slots__ if name in said})
    request = PlanRequest(**{name: said[name] for name in PlanRequest.__slots__ if name in said}, hardware=hardware)
    fits: list[bool] = []

    def work() -> str:
        settings = load_with_policy(environ)
        cluster = _cluster_reader(settings, environ, "--gpu l4 --count 2, --gpu-memory, --cpu-memory or --nodes")
        fetch = _facts_fetcher(settings, environ)
        report = asyncio.run(plan(request, settings=settings, fetch_facts=fetch, read_cluster=cluster))
        fits.append(report.fits)
        return write_plan(report, options.output, sys.stdout, environ)

    return _answer(work) or (0 if all(fits) else NOTHING_FITS)


def _cluster_reader(settings: "Settings", environ: Environ, otherwise: str) -> "ReadCluster":
    """Return what reads the current cluster; the client is loaded when it is called."""

    async def read() -> "Cluster":
        from genmodel_operator.cli.cluster import read_cluster

        return await read_cluster(settings, environ=environ, otherwise=otherwise)

    return read


def _facts_fetcher(settings: "Settings", environ: Environ) -> "FetchFacts":
    """Return what asks the Hub; its library is loaded when it is called."""

    async def fetch(model: "GenerativeModel") -> "Found":
        from genmodel_operator.cli.hub import fetch_facts, hub_endpoint
        from genmodel_operator.cli.input import refuse_claim_source
        from genmodel_operator.cli.plan import Found

        refuse_claim_source(model, "give a folder with the same files: genmodel plan ./FOLDER -f FILE")
        hub = model.spec.source.hub if model.spec.source else None
        endpoint = hub_endpoint(hub.endpoint if hub else None, settings=settings, environ=environ)
        fetched = fetch_facts(
            model.spec.model, model.spec.revision, endpoint=endpoint, settings=settings, environ=environ
        )
        return Found(await fetched, endpoint)

    return fetch


def _facts(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.facts_file import facts_text, write_text
    from genmodel_operator.cli.hub import fetch_facts, hub_endpoint
    from genmodel_operator.cli.input import parse_options
    from genmodel_operator.configuration import load_settings

    def work() -> str:
        settings = load_settings(environ)
        spec = parse_options(model=options.repository, revision=options.revision, endpoint=options.endpoint)
        endpoint = hub_endpoint(options.endpoint, settings=settings, environ=environ)
        fetched = fetch_facts(spec.model, spec.revision, endpoint=endpoint, settings=settings, environ=environ)
        facts = asyncio.run(fetched)
        if options.output is None:
            return facts_text(facts)
        write_text(options.output, facts_text(facts))
        return f"{facts.repository} at commit {facts.commit}: written to {options.output}\n"

    return _answer(work)


def _estimate(options: Namespace, _environ: Environ) -> int:
    from genmodel_operator.cli.estimate import RequestsError, estimate_lines, read_requests

    try:
        requests = read_requests(options.input)
    except RequestsError as error:
        print(f"genmodel: {options.input}: {error}", file=sys.stderr)
        return 2
    for line in estimate_lines(requests):
        sys.stdout.write(line)
    sys.stdout.flush()
    return 0


def _update(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.update import update
    from genmodel_operator.configuration import load_settings

    def work() -> str:
        settings = load_settings(environ)
        return asyncio.run(update(options.name, options.namespace, settings=settings, environ=environ))

    return _answer(work)


def _check(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.check import check
    from genmodel_operator.configuration import load_settings

    is_right: list[bool] = []

    def work() -> str:
        text, right = asyncio.run(check(options.rights, settings=load_settings(environ), environ=environ))
        is_right.append(right)
        return text

    return _answer(work) or (0 if all(is_right) else 1)


def _answer(work: Callable[[], str]) -> int:
    """Print what a command has made; a refusal is named on standard error and becomes the exit code."""
    from genmodel_operator.cli.input import CommandError
    from genmodel_operator.configuration import ConfigurationError

    try:
        text = work()
    except CommandError as error:
        lines, code = error.lines, error.exit_code
    except ConfigurationError as error:
        lines, code = tuple(error.problems), 2
    else:
        return _write(text)
    for line in lines:
        print(f"genmodel: {line}", file=sys.stderr)
    return code


def _write(text: str) -> int:
    """Write an answer and return the exit code: a full disk is an error, a reader that has seen enough is none."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _stop_writing()
        print(f"genmodel: standard output: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


_COMMANDS: dict[str, Callable[[Namespace, Environ], int]] = {
    "run": _run,
    "crd": _crd,
    "check": _check,
    "status": _status,
    "plan": _plan,
    "render": _render,
    "facts": _facts,
    "estimate": _estimate,
    "update": _update,
    "version": _version,
}
