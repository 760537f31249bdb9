"""Command line of the runtime: ``prepare`` in the init container, ``serve`` beside the engine.

``fetch`` and ``inspect`` run in Jobs. Everything a pod sets comes from the environment; the options below are only for
running outside a pod, where its paths and ports belong to somebody else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.settings import Overrides, SettingsError, inspect_settings, prepare_settings, serve_settings
from genmodel_runtime.termination import Failure, report_failure


def main(argv: Sequence[str]) -> int:
    """Run one command; return the exit code of the container."""
    own, engine_args = _split(argv)
    options = _parser().parse_args(own)
    overrides = Overrides(
        root=options.root,
        port=options.port,
        engine_port=getattr(options, "engine_port", None),
        propagation_seconds=getattr(options, "propagation_seconds", None),
    )
    try:
        if options.command == "prepare":
            return _prepare(overrides)
        if options.command == "fetch":
            return _fetch(overrides)
        if options.command == "inspect":
            return _inspect(overrides)
        return _serve(engine_args, overrides)
    except SettingsError as error:
        failure = Failure(RuntimeReason.CONTRACT_MISMATCH, str(error), ExitCode.NEEDS_A_PERSON)
        report_failure(overrides.paths.termination_log, failure)
        return int(failure.exit_code)


def _prepare(overrides: Overrides) -> int:
    settings = prepare_settings(os.environ, overrides)
    from genmodel_runtime.prepare import end_on_sigterm, prepare  # noqa: PLC0415 - each command loads its own half

    end_on_sigterm()
    return prepare(settings)


def _fetch(overrides: Overrides) -> int:
    settings = prepare_settings(os.environ, overrides)
    from genmodel_runtime.prepare import end_on_sigterm  # noqa: PLC0415 - each command loads its own half
    from genmodel_runtime.shared import fetch_shared  # noqa: PLC0415
    from genmodel_runtime.sweep import in_use  # noqa: PLC0415

    wanted = in_use(os.environ)
    end_on_sigterm()
    return fetch_shared(settings, wanted)


def _inspect(overrides: Overrides) -> int:
    settings = inspect_settings(os.environ, overrides)
    from genmodel_runtime.inspection import inspect_source  # noqa: PLC0415 - each command loads its own half

    return inspect_source(settings)


def _serve(engine_args: Sequence[str], overrides: Overrides) -> int:
    settings = serve_settings(os.environ, tuple(engine_args), overrides)
    from genmodel_runtime.supervise import serve  # noqa: PLC0415 - each command loads its own half

    return serve(settings, environ=os.environ)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own arguments and, after ``--``, those of the engine, which are never parsed here."""
    if "--" not in argv:
        return list(argv), []
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="genmodel_runtime", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    outside = argparse.ArgumentParser(add_help=False)
    outside.add_argument("--root", type=Path, help="folder that the pod's paths are put below")
    outside.add_argument("--port", type=int, help="port of /livez, /readyz, /status and /metrics")
    commands.add_parser("prepare", parents=[outside], help="install the runtime and fetch the weights")
    commands.add_parser("fetch", parents=[outside], help="bring the weights to a volume that several pods share")
    commands.add_parser("inspect", parents=[outside], help="tell what a model on a user's own volume is")
    serving = commands.add_parser("serve", parents=[outside], help="run the engine; its arguments follow --")
    serving.add_argument("--engine-port", type=int, help="port that the engine is told to listen on")
    serving.add_argument("--propagation-seconds", type=float, help="pause between SIGTERM and the drain")
    return parser


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads in the middle of a read must not hold the container's end back.
    os._exit(code)
