"""The command ``genmodel``; each command imports what it needs, so that the small ones start at once."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence

from genmodel_operator import __version__
from genmodel_operator.cli.parser import build_parser

Environ = Mapping[str, str]


def main(arguments: Sequence[str] | None = None, environ: Environ | None = None) -> int:
    """Run one command and return its exit code, as ``genmodel --help`` documents them."""
    options = build_parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options, os.environ if environ is None else environ)
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough: nothing more can be written to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    from genmodel_operator.configuration import load_settings

    def work() -> str:
        wanted = {name: value for name, value in vars(options).items() if name != "command"}
        request = RenderRequest(**wanted)
        rendered = asyncio.run(render(request, settings=load_settings(environ), environ=environ))
        for note in rendered.notes:
            print(note, file=sys.stderr)
        return rendered.text

    return _answer(work)


def _facts(options: Namespace, environ: Environ) -> int:
    from genmodel_operator.cli.hub import facts_text, fetch_facts, write_text
    from genmodel_operator.cli.input import parse_options
    from genmodel_operator.configuration import load_settings

    def work() -> str:
        settings = load_settings(environ)
        spec = parse_options(model=options.repository, revision=options.revision, endpoint=options.endpoint)
        endpoint = options.endpoint or settings.hub.endpoint
        fetched = fetch_facts(spec.model, spec.revision, endpoint=endpoint, settings=settings, environ=environ)
        facts = asyncio.run(fetched)
        if options.output is None:
            return facts_text(facts)
        write_text(options.output, facts_text(facts))
        return f"{facts.repository} at commit {facts.commit}: written to {options.output}\n"

    return _answer(work)


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
        sys.stdout.write(text)
        sys.stdout.flush()
        return 0
    for line in lines:
        print(f"genmodel: {line}", file=sys.stderr)
    return code


_COMMANDS: dict[str, Callable[[Namespace, Environ], int]] = {
    "run": _run,
    "crd": _crd,
    "render": _render,
    "facts": _facts,
    "version": _version,
}
