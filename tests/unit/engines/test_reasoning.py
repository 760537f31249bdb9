"""Which parser tells a model's thoughts from its answer, by its chat template."""

import pytest

from genmodel_operator.engines import engine_for
from genmodel_operator.engines.reasoning import reasoning_args, reasoning_parser, reasoning_said
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_cpu_plan, a_gpu_plan, some_facts

# How the templates of Qwen3, Qwen3 Thinking and QwQ, Qwen3.5, DeepSeek R1 and V3.1, GLM 4.5, Nemotron 3 and others end.
QWEN = r"""{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""
ALWAYS = r"{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n<think>\n' }}{%- endif %}"
RARELY = r"""{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is true %}{{- '<think>\n' }}
    {%- else %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"""
R1 = (
    "{% if add_generation_prompt and not ns.is_tool %}{{'<\uff5cAssistant\uff5c><think>\\n'}}{% endif %}"
    "{% if message['content'] is not none %}{% endif %}"
)
V3 = (
    "{%- if add_generation_prompt and ns.is_last_user and not ns.is_tool %}{{'<\uff5cAssistant\uff5c>'}}"
    "{%- if not thinking %}{{'</think>'}}{%- else %}{{'<think>'}}{%- endif %}{% endif %}"
)
GLM = """{%- if add_generation_prompt -%}
    <|assistant|>{{- '\\n<think></think>' if (enable_thinking is defined and not enable_thinking) else '' -}}
{%- endif -%}"""
NEMOTRON = (
    "{%- set enable_thinking = enable_thinking if enable_thinking is defined else True %}"
    "{%- if add_generation_prompt %}{%- if enable_thinking %}{{- '<|im_start|>assistant\\n<think>\\n' }}"
    "{%- else %}{{- '<|im_start|>assistant\\n<think></think>' }}{%- endif %}{%- endif %}"
)
MINIMAX = "{%- if add_generation_prompt -%}\n{{- ']~b]ai' ~ '\\n' ~ '<think>' ~ '\\n' }}\n{%- endif -%}"
GRANITE = "{%- if thinking %}Write down your thoughts after 'Here is my thought process:'{%- endif %}"
LAST_TURNS = (
    "{% set content = content.split('</think>')[-1] %}{% if add_generation_prompt %}{{ '<|im_start|>' }}{% endif %}"
)
CHOSEN = "{% if add_generation_prompt %}{% if reasoning %}{{ '<think>' }}{% endif %}{% endif %}"
THINK = ("<think>", "</think>")


def facts(template: str, architecture: str, *tokens: str) -> ModelFacts:
    return some_facts(chat_template=template, architecture=architecture, added_tokens=tokens)


@pytest.mark.parametrize(
    ("model", "want"),
    [
        pytest.param(facts(QWEN, "Qwen3ForCausalLM", *THINK), "qwen3", id="Qwen3"),
        pytest.param(facts(QWEN, "Qwen3MoeForCausalLM", *THINK), "qwen3", id="Qwen3 of experts"),
        pytest.param(facts(ALWAYS, "Qwen3ForCausalLM", *THINK), "qwen3", id="Qwen3 Thinking"),
        pytest.param(facts(QWEN, "Qwen3ForCausalLM"), None, id="Qwen3 without the token"),
        pytest.param(facts(RARELY, "Qwen3_5ForCausalLM", *THINK), None, id="thoughts only where they are asked for"),
        pytest.param(facts(LAST_TURNS, "Qwen3ForCausalLM", *THINK), None, id="Qwen3 Instruct"),
        pytest.param(facts(QWEN, "OtherForCausalLM", *THINK), None, id="Qwen's marks in a foreign model"),
        pytest.param(facts(ALWAYS, "Qwen2ForCausalLM", *THINK), "deepseek_r1", id="QwQ"),
        pytest.param(facts(ALWAYS, "Qwen2ForCausalLM"), None, id="its marks without the token"),
        pytest.param(facts(R1, "DeepseekV3ForCausalLM"), "deepseek_r1", id="DeepSeek R1"),
        pytest.param(facts(R1, "LlamaForCausalLM"), "deepseek_r1", id="trained from R1"),
        pytest.param(facts(V3, "DeepseekV3ForCausalLM"), "deepseek_v3", id="DeepSeek V3.1"),
        pytest.param(facts(GLM, "Glm4MoeForCausalLM"), "glm45", id="GLM"),
        pytest.param(facts(NEMOTRON, "NemotronHForCausalLM"), "nemotron_v3", id="Nemotron"),
        pytest.param(facts(MINIMAX, "MiniMaxM2ForCausalLM"), "minimax_m2", id="MiniMax"),
        pytest.param(facts("{%- set begin = '<seed:think>' %}", "SeedOssForCausalLM"), "seed_oss", id="Seed"),
        pytest.param(facts(GRANITE, "GraniteForCausalLM"), "granite", id="granite"),
        pytest.param(facts(ALWAYS, "Olmo3ForCausalLM"), "olmo3", id="Olmo"),
        pytest.param(facts(ALWAYS, "Ernie4_5_MoeForCausalLM", *THINK), "ernie45", id="Ernie"),
        pytest.param(facts(CHOSEN, "LlamaForCausalLM", *THINK), None, id="a condition of its own"),
        pytest.param(facts("{{ message.content }}", "Qwen3ForCausalLM", *THINK), None, id="no thoughts"),
        pytest.param(facts("", "GptOssForCausalLM"), None, id="gpt-oss needs none"),
    ],
)
def test_the_parser_follows_from_how_an_answer_begins(model: ModelFacts, want: str | None) -> None:
    assert reasoning_parser(model) == want
    assert reasoning_args(model, ServedTask.GENERATE) == (("--reasoning-parser", want) if want else ())


PLANS = [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")]
QWEN3 = facts(QWEN, "Qwen3ForCausalLM", *THINK)


def command_line(plan: ServingPlan, *user: str, task: ServedTask = ServedTask.GENERATE) -> list[str]:
    return engine_for(plan).args(QWEN3, plan, ("a", "b/a"), task=task).around(user)


@pytest.mark.parametrize("plan", PLANS)
def test_the_user_s_parser_comes_after_ours_and_wins(plan: ServingPlan) -> None:
    args = command_line(plan, "--reasoning-parser", "deepseek_r1")
    assert [args[index + 1] for index, flag in enumerate(args) if flag == "--reasoning-parser"] == [
        "qwen3",
        "deepseek_r1",
    ]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("task", [ServedTask.EMBED, ServedTask.SCORE])
def test_what_writes_no_text_has_no_parser(plan: ServingPlan, task: ServedTask) -> None:
    assert "--reasoning-parser" not in command_line(plan, task=task)


@pytest.mark.parametrize(
    ("model", "task", "want"),
    [
        pytest.param(QWEN3, ServedTask.GENERATE, "read by vLLM's parser qwen3, apart from the answer", id="known"),
        pytest.param(
            facts(RARELY, "Qwen3_5ForCausalLM", *THINK),
            ServedTask.GENERATE,
            "thoughts stay in the answer; if you know their parser: --reasoning-parser NAME in spec.engine.args",
            id="not certain",
        ),
        pytest.param(facts(LAST_TURNS, "Qwen3ForCausalLM"), ServedTask.GENERATE, "", id="no thoughts in an answer"),
        pytest.param(facts("", "LlamaForCausalLM"), ServedTask.GENERATE, "", id="no template"),
        pytest.param(QWEN3, ServedTask.EMBED, "", id="no text"),
    ],
)
def test_what_is_said_of_them(model: ModelFacts, task: ServedTask, want: str) -> None:
    assert reasoning_said(model, task) == want
