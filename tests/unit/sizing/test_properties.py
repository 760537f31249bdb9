"""What holds for every model, device and wish."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from genmodel_operator.api.reasons import TABLE
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.accelerators import CPU_RESOURCE, Inventory, NodeGroup
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plan import Memory, Misfit, ServingPlan, plan_from_json, plan_to_json
from genmodel_operator.sizing.recent import sized_model
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_models import every_config, facts_of_config
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_32_1B,
    LLAMA_33_70B,
    MISTRAL_7B_V03,
    PHI_4,
    POLICY,
    QWEN3_8B,
    QWEN_25_7B,
    TINY_CHAT,
    facts_of,
    minilm_facts,
    planned,
)

DECODERS = {
    "Llama 8B": facts_of(LLAMA_31_8B),
    "Llama 1B": facts_of(LLAMA_32_1B),
    "Llama 70B": facts_of(LLAMA_33_70B),
    "Mistral 7B": facts_of(MISTRAL_7B_V03),
    "phi-4": facts_of(PHI_4),
    "Qwen3 8B": facts_of(QWEN3_8B),
    "Qwen2.5 7B": facts_of(QWEN_25_7B),
    "tiny chat": facts_of(TINY_CHAT),
}
_KINDS = {
    "mixture": "Qwen/Qwen3-30B-A3B",
    "MXFP4": "openai/gpt-oss-20b",
    "latent attention": "deepseek-ai/DeepSeek-V2-Lite-Chat",
    "sliding window": "google/gemma-3-27b-it",
    "hybrid that reads images": "Qwen/Qwen3.5-27B",
    "state space": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "chunks": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "compressed attention": "deepseek-ai/DeepSeek-V4-Flash",
    "FP8": "Qwen/Qwen3-8B-FP8",
}
CONFIGS = every_config()
OTHERS = {kind: facts_of_config(CONFIGS[name]) for kind, name in _KINDS.items()}
MODELS = DECODERS | OTHERS | {"MiniLM": minilm_facts()}
models = st.sampled_from(sorted(MODELS))
decoders = st.sampled_from(sorted(DECODERS))
engines = st.sampled_from(["0.11.0", "0.18.1", "0.20.0", "0.32.0"])
memory_sizes = st.floats(min_value=4, max_value=300, allow_nan=False)


def gpu_group(memory_gib: float, count: int = 1, capability: tuple[int, int] = (9, 0)) -> NodeGroup:
    return NodeGroup(
        resource="nvidia.com/gpu",
        product="NVIDIA-H200",
        device_memory_gib=memory_gib,
        devices_per_node=count,
        compute_capability=capability,
        nodes=2,
        selector=(("nvidia.com/gpu.product", "NVIDIA-H200"),),
        taints=(),
        allocatable_memory_gib=1000,
        allocatable_cpu=100,
        architecture="amd64",
    )


def cpu_group(memory_gib: float) -> NodeGroup:
    group = gpu_group(memory_gib, count=0)
    return replace(
        group, resource=CPU_RESOURCE, product="CPU", compute_capability=None, allocatable_memory_gib=memory_gib
    )


groups = st.one_of(
    st.builds(
        gpu_group,
        memory_sizes,
        count=st.sampled_from([1, 2, 4, 8]),
        capability=st.sampled_from([(7, 5), (8, 0), (8, 9), (9, 0)]),
    ),
    st.builds(cpu_group, memory_sizes),
)
inventories = st.lists(groups, min_size=0, max_size=4).map(lambda listed: Inventory(groups=tuple(listed)))


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """A spec as a user may write it."""
    wish: dict[str, Any] = {"context": {"concurrency": draw(st.sampled_from([1, 1, 2, 8, 100]))}}
    length = draw(st.one_of(st.none(), st.integers(min_value=16, max_value=140_000)))
    if length is not None:
        wish["context"]["maxModelLen"] = length
    wish["precision"] = draw(st.sampled_from(["Auto", "Auto", "BFloat16", "Float16", "Float32", "FP8"]))
    wish["accelerator"] = {
        "kind": draw(st.sampled_from(["Auto", "Auto", "GPU", "CPU"])),
        "policy": draw(st.sampled_from(["Cheapest", "FewestDevices", "LargestContext"])),
    }
    return wish


def total_of(memory: Memory) -> float:
    return memory.weights_gib + memory.kv_cache_gib + memory.activation_gib + memory.overhead_gib + memory.margin_gib


@settings(max_examples=150)
@given(model=models, inventory=inventories, wish=wishes(), engine=engines)
def test_every_answer_is_sound(model: str, inventory: Inventory, wish: dict[str, Any], engine: str) -> None:
    facts = MODELS[model]
    answer = planned(facts, inventory=inventory, policy=replace(POLICY, engine_version=engine), **wish)
    if isinstance(answer, Misfit):
        assert {name for name, _ in answer.values} >= TABLE[answer.reason].fields
        assert all(value for _, value in answer.values)
        return
    assert total_of(answer.memory) == answer.memory.total_gib
    assert min(answer.memory.weights_gib, answer.memory.activation_gib, answer.memory.overhead_gib) > 0
    assert answer.memory.margin_gib >= 0.5
    assert answer.concurrency >= wish["context"]["concurrency"]
    assert answer.max_num_seqs >= wish["context"]["concurrency"]
    assert answer.max_num_batched_tokens >= answer.max_num_seqs
    assert answer.max_model_len <= facts.max_context
    assert answer.max_model_len == wish["context"].get("maxModelLen", answer.max_model_len)
    if facts.task is ServedTask.EMBED:
        assert answer.max_num_batched_tokens >= answer.max_model_len
    assert answer.replicas_fit >= 1
    assert plan_from_json(plan_to_json(answer)) == answer
    assert_within_budget(answer, inventory)


def assert_within_budget(plan: ServingPlan, inventory: Inventory) -> None:
    """Nothing is promised that the device, the container or the node does not have."""
    alike = [group for group in inventory.groups if group.product == plan.product]
    assert plan.memory.total_gib <= max(group.device_memory_gib for group in alike)
    if not plan.is_gpu:
        assert plan.kv_cache_bytes % GIB == 0
        assert plan.host_memory_gib == plan.memory.total_gib
        assert plan.memory.overhead_gib >= 2.8 + plan.shm_gib
        return
    assert plan.count == plan.tensor_parallel <= max(group.devices_per_node for group in alike)
    used = plan.memory.weights_gib + plan.memory.kv_cache_gib + plan.memory.activation_gib
    assert used <= plan.gpu_memory_utilization * plan.memory.total_gib
    assert plan.gpu_memory_utilization <= 0.95


@settings(max_examples=60)
@given(model=decoders, inventory=inventories, wish=wishes())
def test_the_same_question_has_the_same_answer(model: str, inventory: Inventory, wish: dict[str, Any]) -> None:
    facts = MODELS[model]
    backwards = Inventory(groups=tuple(reversed(inventory.groups)))
    first, second = planned(facts, inventory=inventory, **wish), planned(facts, inventory=backwards, **wish)
    if isinstance(first, ServingPlan) and isinstance(second, ServingPlan):
        assert replace(first, rejected=()) == replace(second, rejected=())
    else:
        assert type(first) is type(second)


@settings(max_examples=60)
@given(
    model=models,
    memory_gib=memory_sizes,
    more_gib=st.floats(min_value=0, max_value=100),
    wish=wishes(),
    on_gpu=st.booleans(),
)
def test_more_memory_never_makes_a_fit_a_misfit(
    model: str, memory_gib: float, more_gib: float, wish: dict[str, Any], on_gpu: bool
) -> None:
    facts = MODELS[model]
    group = gpu_group if on_gpu else cpu_group
    small = planned(facts, inventory=Inventory((group(memory_gib),)), **wish)
    large = planned(facts, inventory=Inventory((group(memory_gib + more_gib),)), **wish)
    if isinstance(small, ServingPlan):
        assert isinstance(large, ServingPlan)
        assert large.max_model_len >= small.max_model_len


@settings(max_examples=60)
@given(
    model=models,
    memory_gib=memory_sizes,
    length=st.integers(min_value=16, max_value=100_000),
    more=st.integers(min_value=0, max_value=30_000),
    on_gpu=st.booleans(),
)
def test_a_longer_context_never_needs_less(model: str, memory_gib: float, length: int, more: int, on_gpu: bool) -> None:
    facts = MODELS[model]
    inventory = Inventory(((gpu_group if on_gpu else cpu_group)(memory_gib),))
    longer = planned(facts, inventory=inventory, context={"maxModelLen": length + more})
    if isinstance(longer, ServingPlan):
        shorter = planned(facts, inventory=inventory, context={"maxModelLen": length})
        assert isinstance(shorter, ServingPlan)
        assert shorter.memory.activation_gib <= longer.memory.activation_gib or on_gpu


@settings(max_examples=60)
@given(model=models, dtype=st.sampled_from(["bfloat16", "float32"]))
def test_more_devices_never_hold_more_each(model: str, dtype: str) -> None:
    sized = sized_model(MODELS[model])
    table = read_weights(sized.shape, MODELS[model].tensors, dtype=dtype)
    layouts = [Layout(tensor_parallel=size) for size in (1, 2, 4, 8, 16)]
    valid = [layout for layout in layouts if why_invalid_layout(sized.shape, layout) is None]
    shares = [table.on_device(layout).total_bytes for layout in valid]
    assert shares == sorted(shares, reverse=True)
    # What is one allocation is rounded to the allocator's steps on each device.
    assert all(share * layout.tensor_parallel >= 0.99 * shares[0] for share, layout in zip(shares, valid, strict=True))


@settings(max_examples=60)
@given(model=models, inventory=inventories, wish=wishes(), allowed=st.booleans())
def test_what_is_narrowed_was_asked_for_or_allowed(
    model: str, inventory: Inventory, wish: dict[str, Any], allowed: bool
) -> None:
    policy = replace(POLICY, allowed_precisions=("FP8",) if allowed else ())
    answer = planned(MODELS[model], inventory=inventory, policy=policy, **wish)
    if isinstance(answer, ServingPlan) and not allowed:
        assert (answer.quantization, answer.kv_cache_dtype) == ("", "")
    strict = planned(MODELS[model], inventory=inventory, **wish)
    if isinstance(strict, ServingPlan):
        assert isinstance(answer, ServingPlan)
        assert answer.quantization == "" or wish["precision"] == "FP8"
