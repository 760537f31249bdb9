"""The grammar of ``genmodel plan``."""

import argparse
from collections.abc import Callable, Mapping, Sequence

TASKS = ("Auto", "Generate", "Embed", "Score")
PRECISIONS = ("Auto", "BFloat16", "Float16", "Float32", "FP8", "INT8", "INT4")
CACHE_PRECISIONS = ("Auto", "FP8")
KINDS = ("Auto", "GPU", "CPU")
POLICIES = ("Cheapest", "FewestDevices", "LargestContext")
_ALSO = {"bf16": "BFloat16", "fp16": "Float16", "half": "Float16", "fp32": "Float32", "float": "Float32"}

_TEXT = """\
Show what would be served, on what and why, without creating anything: where the memory of one
device goes, context, concurrency, the engine's flags, and why other candidates were not chosen.
The numbers are those that status.plan would show. Only metadata and the headers of files are
read, never weights.

The model comes from the Hub (HF_TOKEN, HF_ENDPOINT), from --facts, or from a path of your own.
The nodes are those of the current cluster, read with your own rights (KUBECONFIG), or without a
cluster those of --gpu, --gpu-memory, --cpu-memory and --nodes.
"""

_EXAMPLES = """\
examples:
  genmodel plan mistralai/Mistral-7B-Instruct-v0.3
  genmodel plan Qwen/Qwen3-32B --gpu l4 --count 4
  genmodel plan Qwen/Qwen3-32B --gpu l40s --gpu a100-80gb --gpu h100:8 --policy FewestDevices
  genmodel plan ./Qwen3-8B/config.json --gpu-memory 24GiB --max-model-len 16384
  genmodel plan -f mistral.yaml --nodes nodes.yaml -o json
"""


def add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    plan = commands.add_parser(
        "plan",
        help="show what would be served, on what and why",
        description=_TEXT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_model(plan.add_argument_group("model"))
    _add_wishes(plan.add_argument_group("wishes, each in the place of the manifest's field"))
    _add_nodes(plan.add_argument_group("nodes, in the place of the current cluster's"))
    plan.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="form of the answer")


def _add_model(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "model",
        nargs="?",
        metavar="REPO",
        help="Hub repository as org/name; or a path that starts with ./, ../, / or ~: a folder with config.json and "
        "*.safetensors, or a config.json alone",
    )
    group.add_argument("-f", "--filename", metavar="FILE", help="a GenerativeModel as YAML or JSON; - reads stdin")
    group.add_argument("--facts", metavar="FACTS.json", help="facts of the model, as genmodel facts writes them")
    group.add_argument("--endpoint", help="base URL of the Hub (default: HF_ENDPOINT, else the setting hub.endpoint)")


def _add_wishes(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--revision", help="branch, tag or commit (spec.revision)")
    group.add_argument("--task", type=_one_of(TASKS), metavar="TASK", help=f"{_listed(TASKS)} (spec.task)")
    group.add_argument(
        "--precision", type=_one_of(PRECISIONS, _ALSO), metavar="FORMAT", help=f"{_listed(PRECISIONS)} (spec.precision)"
    )
    group.add_argument(
        "--kv-cache-precision",
        type=_one_of(CACHE_PRECISIONS),
        metavar="FORMAT",
        help=f"{_listed(CACHE_PRECISIONS)} (spec.kvCachePrecision)",
    )
    group.add_argument(
        "--max-model-len", type=_whole("tokens", 8192), metavar="TOKENS", help="spec.context.maxModelLen"
    )
    group.add_argument("--concurrency", type=_whole("requests", 4), metavar="REQUESTS", help="spec.context.concurrency")
    group.add_argument(
        "--accelerator", type=_one_of(KINDS), metavar="KIND", help=f"{_listed(KINDS)} (spec.accelerator.kind)"
    )
    group.add_argument(
        "--policy", type=_one_of(POLICIES), metavar="POLICY", help=f"{_listed(POLICIES)} (spec.accelerator.policy)"
    )
    group.add_argument("--engine-version", metavar="RELEASE", help="release of vLLM (default: that of the settings)")


def _add_nodes(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="NAME[:COUNT]",
        help="a node with GPUs, by any name of the product, such as l4, h100:8 or NVIDIA-A100-SXM4-80GB; or as render "
        "takes it, PRODUCT:GIB:COUNT[:COMPUTE]; may be repeated",
    )
    group.add_argument(
        "--count", type=_whole("GPUs", 2), metavar="GPUS", help="GPUs of each such node (default: 1); fewer may be used"
    )
    group.add_argument(
        "--gpu-memory",
        metavar="MEMORY",
        help="memory of one GPU as on its box, such as 24GiB: for a node with GPUs of no known name, or to tell the "
        "sizes of --gpu apart",
    )
    group.add_argument(
        "--compute-capability", metavar="X.Y", help="of the GPU with --gpu-memory (default: 8.0, with a warning)"
    )
    group.add_argument("--cpu-memory", metavar="MEMORY", help="a node without GPUs, such as 64GiB, with 32 cores")
    group.add_argument("--nodes", metavar="NODES.yaml", help="nodes, as kubectl get nodes -o yaml prints them")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _one_of(names: Sequence[str], also: Mapping[str, str] | None = None) -> Callable[[str], str]:
    known = {name.lower(): name for name in names} | dict(also or {})

    def parse(text: str) -> str:
        if text.lower() not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is not {_listed(names)}")
        return known[text.lower()]

    return parse


def _whole(of: str, example: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {of}, such as {example}")
        return int(text)

    return parse
