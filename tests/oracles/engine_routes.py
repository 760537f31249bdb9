"""Lists the routes that vLLM registers, by our tasks; runs in the Python that holds vLLM.

The last line of standard output is a JSON object: for each task a list of ``[method, path]``.
"""

import json
from types import SimpleNamespace
from typing import Any

from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

TASKS = {
    "Generate": ("generate", "render"),
    "Embed": ("embed", "token_embed", "render"),
    "Score": ("classify", "render"),
}


def routes_of(app: Any) -> list[tuple[str, str]]:
    """Return every route with each of its methods; one without any is called MOUNT."""
    return [
        (method, route.path) for route in app.routes for method in sorted(getattr(route, "methods", None) or {"MOUNT"})
    ]


def main() -> None:
    args = make_arg_parser(FlexibleArgumentParser()).parse_args([])
    found = {}
    for task, tasks in TASKS.items():
        # What the routers ask of a model: what its pooler is for, and that a scorer has one label.
        asked = {"get_pooling_task": lambda _, first=tasks[0]: first, "hf_config": SimpleNamespace(num_labels=1)}
        config = None if task == "Generate" else SimpleNamespace(**asked)
        found[task] = routes_of(build_app(args, tasks, config))
    print(json.dumps(found))


main()
