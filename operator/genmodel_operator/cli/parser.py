"""The command line's grammar, apart from what the commands do: the reference page is made from it."""

import argparse

from genmodel_operator.cli.check_parser import add_check
from genmodel_operator.cli.plan_parser import add_plan
from genmodel_operator.cli.status_parser import add_status

EXIT_CODES = """\
exit codes:
  0  done
  1  something unexpected; the message says what. Of status -w: not Ready
  2  usage or input is wrong: the field, its value and the way out are named
  3  the Hub or the model refuses: not found, no access, not servable
  4  nothing fits: no node can hold the model as the spec demands
"""

_RENDER_TEXT = """\
Print the exact objects that the operator would create for the models in FILE, without creating
anything. The model's facts come from --facts or from the Hub (token: HF_TOKEN); the nodes from
--nodes, --gpu and --cpu, or from the current cluster (KUBECONFIG). With --facts and one of these
no network is needed. The uid in owner references is all zeros: only the API server gives one.
"""

_RENDER_EXAMPLES = """\
examples:
  genmodel render -f mistral.yaml --gpu l4
  genmodel facts mistralai/Mistral-7B-Instruct-v0.3 --output facts.json
  genmodel render -f mistral.yaml --facts facts.json --gpu NVIDIA-H100-80GB-HBM3:79.6:8 -o json
"""


_ESTIMATE_TEXT = """\
Estimate the memory of vLLM servers, offline: one request (a JSON object) per line of FILE, one
answer per line on standard output, in the same order. Figures are point estimates without margin.
Requests and answers are described in docs/sizing.md. A request that cannot be estimated is
answered with an error object; exit code 2 is for a FILE that cannot be read or has a line that is
no JSON object.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; after parsing, ``command`` holds the command's name."""
    parser = argparse.ArgumentParser(
        prog="genmodel",
        description="Serve open generative models on your own Kubernetes clusters.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "run",
        help="run the operator",
        description="Run the operator against the cluster of KUBECONFIG, or in a pod against its own. "
        "Settings: GENMODEL_OPERATOR_CONFIG (a file) and GENMODEL_OPERATOR_* variables.",
    )
    commands.add_parser(
        "crd",
        help="print the CustomResourceDefinition",
        description="Print the CustomResourceDefinition of GenerativeModel, "
        "for example for: genmodel crd | kubectl apply --server-side -f -",
    )
    add_check(commands)
    add_status(commands)
    add_plan(commands)
    _add_render(commands)
    _add_facts(commands)
    _add_estimate(commands)
    _add_update(commands)
    commands.add_parser("version", help="print the version", description="Print the version.")
    return parser


def _add_render(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    render = commands.add_parser(
        "render",
        help="print the objects of a model",
        description=_RENDER_TEXT,
        epilog=_RENDER_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    render.add_argument(
        "-f", "--filename", required=True, metavar="FILE", help="YAML or JSON with models; - reads stdin"
    )
    render.add_argument("--facts", metavar="FACTS.json", help="facts of the model, as genmodel facts writes them")
    render.add_argument("--nodes", metavar="NODES.yaml", help="nodes, as kubectl get nodes -o yaml prints them")
    render.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="PRODUCT[:GIB]:COUNT[:COMPUTE]",
        help="a node with GPUs: any name of a known product, as l4:2; or the values of its labels "
        "nvidia.com/gpu.product and gpu.memory (in GiB; a card of 24 GB says 22.5), GPUs of the node, compute "
        "capability where the product is unknown; may be repeated",
    )
    render.add_argument(
        "--cpu",
        action="append",
        default=[],
        metavar="GIB:CORES",
        help="a node without GPUs: memory in GiB and cores; may be repeated",
    )
    render.add_argument("-n", "--namespace", help="namespace of models that name none (default: default)")
    render.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="form of the objects")


def _add_facts(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    facts = commands.add_parser(
        "facts",
        help="write a model's facts for offline use",
        description="Read a model's facts from the Hub (token: HF_TOKEN), without its weights, "
        "and write them as JSON for genmodel render --facts.",
    )
    facts.add_argument("repository", metavar="REPO", help="Hub repository as org/name")
    facts.add_argument("--revision", default="main", help="branch, tag or commit (default: main)")
    facts.add_argument("--endpoint", help="base URL of the Hub (default: HF_ENDPOINT, else the setting hub.endpoint)")
    facts.add_argument("-o", "--output", metavar="FILE", help="file to write (default: standard output)")


def _add_update(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    update = commands.add_parser(
        "update",
        help="let a model take a newer engine or rendering",
        description="Accept what the condition UpdateAvailable of a model speaks of: a new revision is made with the "
        "operator's present engine image and rendering and rolled out; the old one serves until it answers.",
    )
    update.add_argument("name", metavar="NAME", help="name of the model")
    update.add_argument("-n", "--namespace", help="its namespace (default: that of the current context)")


def _add_estimate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    estimate = commands.add_parser(
        "estimate",
        help="estimate the memory of servers",
        description=_ESTIMATE_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    estimate.add_argument("--input", required=True, metavar="FILE.jsonl", help="requests, one per line; - reads stdin")
    estimate.add_argument("-o", "--output", choices=("json",), default="json", help="form of the answers")
