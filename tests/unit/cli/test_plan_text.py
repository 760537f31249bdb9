"""How plans look: the files of ``tests/golden/plan``, and what must hold at any width."""

import re
from pathlib import Path

import pytest

from genmodel_operator.cli.bars import memory_bars
from genmodel_operator.cli.nodes import Surveyed
from genmodel_operator.cli.plan import Found, PlanReport
from genmodel_operator.cli.plan_text import plan_text
from genmodel_operator.cli.terminal import Style
from genmodel_operator.sizing.plan import RejectedCandidate, plan_status
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts
from tests.builders_plan import A_MISFIT, a_report, an_inventory

GOLDEN = Path(__file__).parents[2] / "golden" / "plan"

WIDE, NARROW = Style(width=100), Style(width=48)
ASCII, COLOURED = Style(unicode=False), Style(colour=True)
CODES = re.compile(r"\033\[[0-9;]*m")

WARNED = a_report(
    a_cpu_plan(), warnings=("the files were not seen",), surveyed=Surveyed(an_inventory(cpu=["64:16"]), "")
)


@pytest.mark.parametrize(
    ("name", "report", "style"),
    [
        pytest.param("gpu.txt", a_report(), WIDE, id="on a GPU"),
        pytest.param("gpu-narrow.txt", a_report(), NARROW, id="on a GPU, narrow"),
        pytest.param("gpu-ascii.txt", a_report(), ASCII, id="on a GPU, without Unicode"),
        pytest.param("gpu-colours.txt", a_report(), COLOURED, id="on a GPU, in colours"),
        pytest.param("cpu-warning.txt", WARNED, WIDE, id="on CPU, with a warning"),
        pytest.param("misfit.txt", a_report(A_MISFIT), WIDE, id="nothing fits"),
    ],
)
def test_golden(name: str, report: PlanReport, style: Style) -> None:
    assert plan_text(report, style) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [48, 59, 80, 100, 120])
@pytest.mark.parametrize("answer", [a_gpu_plan(), a_cpu_plan(), A_MISFIT], ids=["gpu", "cpu", "misfit"])
def test_no_line_is_wider_than_the_terminal(width: int, answer: object) -> None:
    report = a_report(answer)  # type: ignore[arg-type]
    plain = plan_text(report, Style(width=width))
    assert max(map(len, plain.splitlines())) <= width
    assert CODES.sub("", plan_text(report, Style(width=width, colour=True))) == plain


@pytest.mark.parametrize(
    ("template", "want"),
    [
        pytest.param("{{ tools }}<tool_call> arguments", "tool calls   read by vLLM's parser hermes", id="known"),
        pytest.param("{{ tools }}", "tool calls   no parser is known for this chat template", id="not known"),
        pytest.param("", "", id="no tools"),
    ],
)
def test_it_says_how_tool_calls_are_read(template: str, want: str) -> None:
    found = Found(some_facts(chat_template=template), "https://huggingface.co")
    shown = plan_text(a_report(found=found), WIDE)
    said = next((line for line in shown.splitlines() if "tool calls" in line), "")
    assert said.strip().startswith(want)
    assert bool(said) is bool(want)


def test_it_says_how_thoughts_are_read() -> None:
    template = "{% if add_generation_prompt %}{{ '<think>' }}{% endif %}"
    found = Found(some_facts(chat_template=template, added_tokens=("</think>",)), "https://huggingface.co")
    assert "reasoning    read by vLLM's parser deepseek_r1" in plan_text(a_report(found=found), WIDE)
    assert "reasoning" not in plan_text(a_report(), WIDE)


def test_without_unicode_every_character_is_ascii() -> None:
    assert plan_text(a_report(), ASCII).isascii()


def test_bars_follow_each_other_and_fill_the_device() -> None:
    memory = plan_status(a_gpu_plan()).memory
    *parts, total = memory_bars(memory, Style(width=100), device="one GPU")
    bars = [line[15:-17] for line in parts]
    assert [bar.count("█") > 0 for bar in bars] == [True] * 5
    assert "".join(max(column) for column in zip(*bars, strict=True)) == "█" * len(bars[0])
    assert sum(bar.count("█") for bar in bars) == len(bars[0])
    assert total.split() == ["one", "GPU", "22.50", "GiB"]


def test_a_part_that_is_small_is_seen_and_one_that_is_not_there_is_not() -> None:
    memory = plan_status(a_gpu_plan()).memory.model_copy(update={"activation_gib": 0.01, "kv_cache_gib": 0.0})
    lines = {line[2:15].strip(): line for line in memory_bars(memory, Style(width=60), device="one GPU")}
    assert "▎" in lines["activation"]
    assert not {"█", "▎"} & set(lines["KV cache"])


def test_files_of_one_s_own_have_no_commit() -> None:
    facts = some_facts(repository="local/m", commit="0" * 40)
    head = plan_text(a_report(found=Found(facts, "./m")), WIDE).split("\n\n")[0]
    size = f"{facts.weights_bytes / 2**30:.2f}"
    want = f"Generate, 1.44 million parameters, BFloat16 {size} GiB, 512 tokens at most, apache-2.0"
    assert head == f"local/m\n  {want}"


def test_many_candidates_and_kinds_of_nodes_are_cut_short() -> None:
    rejected = tuple(RejectedCandidate("NVIDIA-L4", count, "no") for count in range(1, 31))
    kinds = Surveyed(an_inventory("l4", "t4", "l40s", "h100:8"), "nodes.yaml")
    said = plan_text(a_report(a_gpu_plan(rejected=rejected), surveyed=kinds), WIDE)
    assert "  - 12 x NVIDIA L4: no\n  - 18 more, which -o json shows\n" in said
    assert "on 4 nodes of 4 kinds (nodes.yaml)" in said


def test_nodes_that_were_left_out_are_told() -> None:
    inventory = an_inventory("l4")
    left_out = type(inventory)(inventory.groups, ("node-7: is cordoned",))
    assert plan_text(a_report(surveyed=Surveyed(left_out, "")), WIDE).endswith("\nleft out: node-7: is cordoned\n")


def test_the_user_s_own_flags_are_shown_where_they_stand() -> None:
    model = a_model(engine={"args": ["--enable-prefix-caching", "--max-num-seqs", "8", "--port", "9"]})
    said = " ".join(plan_text(a_report(model=model), Style(width=120)).split())
    assert "--max-num-batched-tokens 2048 --gpu-memory-utilization 0.9 --enable-prefix-caching --max-num-seqs 8" in said
    assert "--port" not in said
