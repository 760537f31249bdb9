"""Reports of ``genmodel plan`` with fixed numbers, for tests of how they are shown."""

from dataclasses import replace
from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.decide import Decision
from genmodel_operator.cli.described import Hardware, describe_nodes
from genmodel_operator.cli.nodes import Surveyed
from genmodel_operator.cli.plan import Found, PlanReport
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import DEFAULT_CATALOGUE, Inventory, read_inventory
from genmodel_operator.sizing.plan import Misfit, RejectedCandidate, ServingPlan
from tests.builders import a_gpu_plan, a_model, some_facts

REJECTED = (
    RejectedCandidate("NVIDIA-L4", 2, "fits with 16384 tokens per request and 45.0 GiB; 1 x NVIDIA L4 has as many"),
    RejectedCandidate("Tesla-T4", 1, "14.92 GiB without any KV cache (weights 13.50), 14.56 GiB usable"),
    RejectedCandidate("CPU", 0, "fits, but a GPU is preferred to CPU"),
)
A_MISFIT = Misfit(
    reason="NoFit",
    values=(
        ("change", "set spec.context.maxModelLen to 8192 or less (on 1 x NVIDIA L4); or add a node with 2 x NVIDIA L4"),
        ("detail", "mistralai/Mistral-7B-Instruct-v0.3 does not fit: 1 x NVIDIA L4: 16384 tokens need 8.00 GiB"),
    ),
    rejected=REJECTED[1:],
)


def an_inventory(*gpu: str, **said: Any) -> Inventory:
    """What ``genmodel plan`` makes of nodes that are described in words."""
    return read_inventory(describe_nodes(Hardware(gpu=gpu, **said), DEFAULT_CATALOGUE).nodes)


def a_report(answer: ServingPlan | Misfit | None = None, **changes: Any) -> PlanReport:
    """The answer for a chat model of 13.5 GiB on nodes with two L4 each."""
    explanation = (
        "Per device: weights 13.50 + KV cache 4.00 + activation 1.00 + overhead 1.50 + margin 2.50 = 22.50 GiB."
    )
    plan = a_gpu_plan(rejected=REJECTED, explanation=explanation)
    facts = some_facts(parameters=7_248_023_552, weights_bytes=14_496_047_104, max_context=32768)
    model: GenerativeModel = changes.pop("model", a_model())
    report = PlanReport(
        model=model,
        found=Found(facts, "https://huggingface.co"),
        surveyed=Surveyed(an_inventory("l4:2", "l4:2"), "the current cluster"),
        decision=Decision(ServedTask.GENERATE, answer or plan),
        settings=Settings(),
        warnings=(),
    )
    return replace(report, **changes)
