"""Builders for the planner's tests: the tensors of real models from their configurations, and nodes.

The configurations are those of the Hub (config.json), reduced to the fields that count. The label
sets are those that NVIDIA's GPU feature discovery puts on such nodes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModelSpec
from genmodel_operator.hub.facts import ModelFacts, RepoFile, ServedTask, Tensor
from genmodel_operator.sizing.accelerators import Inventory, read_inventory
from genmodel_operator.sizing.corrections import NONE, Corrections
from genmodel_operator.sizing.plan import Misfit, PlanPolicy, ServingPlan, plan_serving
from tests.builders import A_COMMIT, a_tensor, elements

POLICY = PlanPolicy(engine_version="0.32.0", cpu_max_model_gib=16, cpu_request_cores=2)


def decoder_config(  # one argument per dimension that models differ in
    architecture: str,
    *,
    hidden: int,
    inner: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocab: int,
    positions: int,
    **more: Any,
) -> dict[str, Any]:
    """``config.json`` of a decoder with plain attention."""
    return {
        "architectures": [f"{architecture}ForCausalLM"],
        "model_type": architecture.lower(),
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        "max_position_embeddings": positions,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    } | more


LLAMA_31_8B = decoder_config(
    "Llama", hidden=4096, inner=14336, layers=32, heads=32, kv_heads=8, vocab=128256, positions=131072,
    rope_scaling={"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
)  # fmt: skip
LLAMA_32_1B = decoder_config(
    "Llama", hidden=2048, inner=8192, layers=16, heads=32, kv_heads=8, vocab=128256, positions=131072,
    head_dim=64, tie_word_embeddings=True,
)  # fmt: skip
LLAMA_33_70B = decoder_config(
    "Llama", hidden=8192, inner=28672, layers=80, heads=64, kv_heads=8, vocab=128256, positions=131072
)
MISTRAL_7B_V03 = decoder_config(
    "Mistral", hidden=4096, inner=14336, layers=32, heads=32, kv_heads=8, vocab=32768, positions=32768,
    sliding_window=None,
)  # fmt: skip
QWEN_25_7B = decoder_config(
    "Qwen2", hidden=3584, inner=18944, layers=28, heads=28, kv_heads=4, vocab=152064, positions=32768,
    sliding_window=131072, use_sliding_window=False, max_window_layers=28,
)  # fmt: skip
QWEN_25_72B = decoder_config(
    "Qwen2", hidden=8192, inner=29568, layers=80, heads=64, kv_heads=8, vocab=152064, positions=32768,
    sliding_window=131072, use_sliding_window=False, max_window_layers=80,
)  # fmt: skip
QWEN3_8B = decoder_config(
    "Qwen3", hidden=4096, inner=12288, layers=36, heads=32, kv_heads=8, vocab=151936, positions=40960,
    head_dim=128, use_sliding_window=False, max_window_layers=36, attention_bias=False,
)  # fmt: skip
QWEN3_32B = decoder_config(
    "Qwen3", hidden=5120, inner=25600, layers=64, heads=64, kv_heads=8, vocab=151936, positions=40960,
    head_dim=128, use_sliding_window=False, attention_bias=False,
)  # fmt: skip
QWEN3_30B_A3B = decoder_config(
    "Qwen3Moe", hidden=2048, inner=6144, layers=48, heads=32, kv_heads=4, vocab=151936, positions=40960,
    head_dim=128, use_sliding_window=False, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=768,
    decoder_sparse_step=1, model_type="qwen3_moe",
)  # fmt: skip
PHI_4 = decoder_config(
    "Phi3", hidden=5120, inner=17920, layers=40, heads=40, kv_heads=10, vocab=100352, positions=16384,
    sliding_window=None,
)  # fmt: skip
TINY_CHAT = decoder_config(
    "Llama", hidden=256, inner=768, layers=4, heads=4, kv_heads=2, vocab=4096, positions=1024,
    head_dim=64, tie_word_embeddings=True, torch_dtype="float32",
)  # fmt: skip
MINILM = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 384,
    "initializer_range": 0.02,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "transformers_version": "4.8.2",
    "type_vocab_size": 2,
    "use_cache": True,
    "vocab_size": 30522,
}


def decoder_tensors(config: Mapping[str, Any], dtype: str = "BF16") -> tuple[Tensor, ...]:
    """Every tensor of a Llama-like decoder: Llama, Mistral, Qwen2, Qwen3, Phi3 and mixtures of them."""
    hidden, family = config["hidden_size"], config["architectures"][0].removesuffix("ForCausalLM")
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    for index in range(config["num_hidden_layers"]):
        layer = _attention(config, family) | _feed_forward(config, family)
        layer |= {"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,)}
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    return tuple(a_tensor(name, shape, dtype) for name, shape in shapes.items())


def _attention(config: Mapping[str, Any], family: str) -> dict[str, tuple[int, ...]]:
    hidden = config["hidden_size"]
    head_dim = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    if family == "Phi3":
        return {
            "self_attn.qkv_proj.weight": (queries + 2 * keys, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
        }
    rows = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
    shapes: dict[str, tuple[int, ...]] = {f"self_attn.{name}.weight": (size, hidden) for name, size in rows.items()}
    shapes["self_attn.o_proj.weight"] = (hidden, queries)
    if family == "Qwen2":
        shapes |= {f"self_attn.{name}.bias": (size,) for name, size in rows.items()}
    if family.startswith("Qwen3"):
        shapes |= {"self_attn.q_norm.weight": (head_dim,), "self_attn.k_norm.weight": (head_dim,)}
    return shapes


def _feed_forward(config: Mapping[str, Any], family: str) -> dict[str, tuple[int, ...]]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    if family == "Phi3":
        return {"mlp.gate_up_proj.weight": (2 * inner, hidden), "mlp.down_proj.weight": (hidden, inner)}
    if not config.get("num_experts"):
        return _mlp("mlp", hidden, inner)
    shapes: dict[str, tuple[int, ...]] = {"mlp.gate.weight": (config["num_experts"], hidden)}
    for expert in range(config["num_experts"]):
        shapes |= _mlp(f"mlp.experts.{expert}", hidden, config["moe_intermediate_size"])
    return shapes


def _mlp(name: str, hidden: int, inner: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.gate_proj.weight": (inner, hidden),
        f"{name}.up_proj.weight": (inner, hidden),
        f"{name}.down_proj.weight": (hidden, inner),
    }


def bert_tensors(config: Mapping[str, Any] = MINILM, dtype: str = "F32") -> tuple[Tensor, ...]:
    """Every tensor of a BERT encoder as sentence-transformers stores it."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "pooler.dense.weight": (hidden, hidden),
        "pooler.dense.bias": (hidden,),
    } | _norm("embeddings", hidden)
    for index in range(config["num_hidden_layers"]):
        layer = {f"attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
        layer |= {"attention.output.dense": (hidden, hidden)}
        layer |= {"intermediate.dense": (inner, hidden), "output.dense": (hidden, inner)}
        for name, shape in layer.items():
            shapes |= {f"encoder.layer.{index}.{name}.weight": shape, f"encoder.layer.{index}.{name}.bias": shape[:1]}
        shapes |= _norm(f"encoder.layer.{index}.attention.output", hidden) | _norm(
            f"encoder.layer.{index}.output", hidden
        )
    positions = Tensor("embeddings.position_ids", "I64", (1, config["max_position_embeddings"]), 4096)
    return (positions, *(a_tensor(name, shape, dtype) for name, shape in shapes.items()))


def _norm(name: str, hidden: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.LayerNorm.weight": (hidden,), f"{name}.LayerNorm.bias": (hidden,)}


def facts_of(config: Mapping[str, Any], tensors: Iterable[Tensor] | None = None, **changes: Any) -> ModelFacts:
    """Facts of an unquantised model with this configuration, stored in BF16 unless ``torch_dtype`` says float32."""
    single = config.get("torch_dtype") == "float32"
    listed = tuple(decoder_tensors(config, "F32" if single else "BF16") if tensors is None else tensors)
    weights_bytes = sum(tensor.size_bytes for tensor in listed)
    facts = ModelFacts(
        repository=f"example/{config['architectures'][0].lower()}",
        commit=A_COMMIT,
        architecture=config["architectures"][0],
        model_type=config["model_type"],
        task=ServedTask.GENERATE,
        tasks=(ServedTask.GENERATE,),
        config=config,
        files=(RepoFile("config.json", 680, "1" * 40), *_shards(weights_bytes)),
        tensors=listed,
        parameters=sum(elements(tensor.shape) for tensor in listed),
        weights_bytes=weights_bytes,
        stored_precision="Float32" if single else "BFloat16",
        quantization=None,
        max_context=config["max_position_embeddings"],
    )
    return replace(facts, **changes)


def _shards(weights_bytes: int) -> list[RepoFile]:
    """Weight files of at most 5 GB, as they are usually published."""
    count = -(-weights_bytes // 5_000_000_000)
    return [
        RepoFile(f"model-{index + 1:05}-of-{count:05}.safetensors", weights_bytes // count, "2" * 40, "3" * 64)
        for index in range(count)
    ]


def minilm_facts(**changes: Any) -> ModelFacts:
    """Facts of sentence-transformers/all-MiniLM-L6-v2."""
    embeds = {"task": ServedTask.EMBED, "tasks": (ServedTask.EMBED,), "stored_precision": "Float32"}
    return facts_of(MINILM, bert_tensors(), **(embeds | changes))


GPUS: Mapping[str, tuple[int, str, str]] = {
    "Tesla-T4": (15360, "7", "5"),
    "NVIDIA-L4": (23034, "8", "9"),
    "NVIDIA-A10": (23028, "8", "6"),
    "NVIDIA-L40S": (46068, "8", "9"),
    "NVIDIA-A100-SXM4-40GB": (40960, "8", "0"),
    "NVIDIA-A100-SXM4-80GB": (81920, "8", "0"),
    "NVIDIA-H100-80GB-HBM3": (81559, "9", "0"),
    "NVIDIA-H200": (143771, "9", "0"),
}
"""Product label to memory label in MiB and compute capability."""


def a_gpu_node(product: str, *, count: int = 1, name: str = "gpu-1", **changes: Any) -> dict[str, Any]:
    """A ready node with GPUs, labelled by GPU feature discovery; ``changes`` as for ``a_node``."""
    memory, major, minor = GPUS[product]
    labels = {
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.memory": str(memory),
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.compute.major": major,
        "nvidia.com/gpu.compute.minor": minor,
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/mig.strategy": "single",
    }
    settings: dict[str, Any] = {"memory": "512Gi", "cpu": "64"} | changes
    settings["labels"] = labels | settings.get("labels", {})
    settings["devices"] = {"nvidia.com/gpu": str(count)} | settings.get("devices", {})
    return a_node(name=name, **settings)


def a_node(  # one argument per part of a node that the inventory reads
    *,
    name: str = "cpu-1",
    memory: str = "24Gi",
    cpu: str = "2",
    labels: Mapping[str, str] | None = None,
    devices: Mapping[str, str] | None = None,
    taints: Iterable[Mapping[str, str]] = (),
    ready: str = "True",
    unschedulable: bool = False,
) -> dict[str, Any]:
    """A node object as the API server returns it, reduced to what the inventory may read."""
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"} | dict(labels or {}),
        },
        "spec": {"taints": [dict(taint) for taint in taints], "unschedulable": unschedulable},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"} | dict(devices or {}),
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"},
        },
    }


def planned(
    facts: ModelFacts,
    *nodes: Mapping[str, Any],
    task: ServedTask | None = None,
    policy: PlanPolicy = POLICY,
    inventory: Inventory | None = None,
    corrections: Corrections = NONE,
    **spec: Any,
) -> ServingPlan | Misfit:
    """What the planner answers for these facts on these nodes; ``spec`` as a user writes it."""
    return plan_serving(
        facts=facts,
        task=task or facts.task,
        spec=GenerativeModelSpec.model_validate({"model": facts.repository} | spec),
        inventory=inventory or read_inventory(nodes),
        policy=policy,
        corrections=corrections,
    )


def a_plan(facts: ModelFacts, *nodes: Mapping[str, Any], **asked: Any) -> ServingPlan:
    """The plan for these facts on these nodes, where there must be one."""
    answer = planned(facts, *nodes, **asked)
    assert isinstance(answer, ServingPlan), answer
    return answer


def a_misfit(facts: ModelFacts, *nodes: Mapping[str, Any], **asked: Any) -> Misfit:
    """The misfit for these facts on these nodes, where there must be one."""
    answer = planned(facts, *nodes, **asked)
    assert isinstance(answer, Misfit), answer
    return answer
