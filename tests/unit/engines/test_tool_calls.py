"""Which parser reads a model's tool calls, by its chat template."""

from typing import Any

import pytest

from genmodel_operator.engines import engine_for
from genmodel_operator.engines.tool_calls import has_tools, tool_args, tool_parser, tools_said
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_cpu_plan, a_gpu_plan, some_facts

# Cut from the templates of Qwen2.5, Qwen3-Coder, Mistral 7B v0.3, Llama 3.1, GLM 4.5, granite and others.
TOOLS = "{%- if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}"
JSON_IN_TAGS = (
    TOOLS + r'{{- "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>" }}'
)
XML_IN_TAGS = TOOLS + "<tool_call>\n<function=example>\n<parameter=one>\nvalue\n</parameter>\n</function>\n</tool_call>"
GLM = TOOLS + "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>"
MISTRAL = (
    "{%- if tools is not none %}{{ '[AVAILABLE_TOOLS]' }}{% endif %}{{- '[TOOL_CALLS] [' }}{{ message.tool_calls }}"
)
LLAMA = (
    "{%- if tools is not none and not tools_in_user_message %}"
    """{{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name}' }}"""
)


def facts(template: str, architecture: str = "Qwen2ForCausalLM", *tokens: str) -> ModelFacts:
    return some_facts(chat_template=template, architecture=architecture, added_tokens=tokens)


@pytest.mark.parametrize(
    ("model", "want"),
    [
        pytest.param(facts(JSON_IN_TAGS), "hermes", id="JSON in tags"),
        pytest.param(facts(JSON_IN_TAGS, "LlamaForCausalLM"), "hermes", id="the same of another architecture"),
        pytest.param(facts(XML_IN_TAGS), "qwen3_coder", id="XML in the same tags"),
        pytest.param(facts(XML_IN_TAGS + JSON_IN_TAGS), "qwen3_coder", id="more marks go first"),
        pytest.param(facts(GLM, "Glm4MoeForCausalLM"), "glm47", id="GLM"),
        pytest.param(facts(GLM, "PoolsideForCausalLM"), None, id="its marks in a foreign model"),
        pytest.param(facts(MISTRAL, "MistralForCausalLM", "[TOOL_CALLS]"), "mistral", id="Mistral"),
        pytest.param(facts(MISTRAL, "MistralForCausalLM"), None, id="Mistral without the token"),
        pytest.param(facts(LLAMA, "LlamaForCausalLM", "<|python_tag|>"), "llama3_json", id="Llama"),
        pytest.param(facts(LLAMA, "LlamaForCausalLM", "<s>"), None, id="Llama without the token"),
        pytest.param(facts(TOOLS, "GptOssForCausalLM"), "openai", id="gpt-oss"),
        pytest.param(facts(TOOLS + "<|tool_call|>", "GraniteForCausalLM"), "granite", id="granite"),
        pytest.param(facts(JSON_IN_TAGS, "GraniteMoeHybridForCausalLM"), "granite4", id="granite 4"),
        pytest.param(facts(TOOLS + "<tool_calls>", "JambaForCausalLM", "<tool_calls>"), "jamba", id="Jamba"),
        pytest.param(facts(TOOLS + "<tool_calls>", "HunYuanMoEV1ForCausalLM"), "hunyuan_a13b", id="Hunyuan"),
        pytest.param(facts(TOOLS + "<function_calls>", "Olmo3ForCausalLM"), "olmo3", id="Olmo"),
        pytest.param(facts(TOOLS + "<minimax:tool_call>", "MiniMaxM2ForCausalLM"), "minimax_m2", id="MiniMax"),
        pytest.param(facts(TOOLS + "<seed:tool_call>", "SeedOssForCausalLM"), "seed_oss", id="Seed"),
        pytest.param(facts(TOOLS + "<|tool_calls_section_begin|>", "DeepseekV3ForCausalLM"), "kimi_k2", id="Kimi"),
        pytest.param(facts(TOOLS), None, id="tools in a format that nobody knows"),
        pytest.param(facts(""), None, id="no template"),
        pytest.param(facts("{{ message['content'] }}<tool_call> arguments"), None, id="marks but no tools"),
    ],
)
def test_the_parser_follows_from_the_template(model: ModelFacts, want: str | None) -> None:
    assert tool_parser(model) == want
    flags = ("--enable-auto-tool-choice", "--tool-call-parser", want) if want else ()
    assert tool_args(model, ServedTask.GENERATE) == flags


@pytest.mark.parametrize(
    ("template", "want"),
    [
        pytest.param("{% if tools %}", True, id="a condition"),
        pytest.param("{%- set tools = none %}", True, id="a setting"),
        pytest.param("{{ tools | tojson }}", True, id="a value"),
        pytest.param("{% if message.tool_calls %}", False, id="calls only"),
        pytest.param("{{ message.content }} Use no tools.", False, id="the word in a text"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_whether_a_template_shows_tools(template: str, want: bool) -> None:
    assert has_tools(facts(template)) is want


PLANS = [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")]


def command_line(plan: ServingPlan, model: ModelFacts, *user: str, task: ServedTask = ServedTask.GENERATE) -> list[str]:
    return engine_for(plan).args(model, plan, ("a", "b/a"), task=task).around(user)


@pytest.mark.parametrize("plan", PLANS)
def test_the_user_s_flags_come_after_ours_and_win(plan: ServingPlan) -> None:
    args = command_line(plan, facts(JSON_IN_TAGS), "--tool-call-parser", "xlam", "--no-enable-auto-tool-choice")
    parsers = [args[index + 1] for index, flag in enumerate(args) if flag == "--tool-call-parser"]
    assert parsers == ["hermes", "xlam"]
    assert args.index("--enable-auto-tool-choice") < args.index("--no-enable-auto-tool-choice")


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("task", [ServedTask.EMBED, ServedTask.SCORE])
def test_what_writes_no_text_has_no_parser(plan: ServingPlan, task: ServedTask) -> None:
    assert "--tool-call-parser" not in command_line(plan, facts(JSON_IN_TAGS), task=task)


@pytest.mark.parametrize(
    ("model", "task", "want"),
    [
        pytest.param(facts(JSON_IN_TAGS), ServedTask.GENERATE, "read by vLLM's parser hermes", id="known"),
        pytest.param(facts(TOOLS), ServedTask.GENERATE, "no parser is known for this chat template", id="not known"),
        pytest.param(facts(""), ServedTask.GENERATE, "", id="no tools"),
        pytest.param(facts(JSON_IN_TAGS), ServedTask.EMBED, "", id="no text"),
    ],
)
def test_what_is_said_of_them(model: ModelFacts, task: ServedTask, want: str) -> None:
    said: Any = tools_said(model, task)
    assert said.startswith(want)
    assert bool(said) is bool(want)
