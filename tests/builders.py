"""Builders of valid values for everybody's tests: say only what the test is about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.hub.facts import ModelFacts, RepoFile, ServedTask, Tensor
from genmodel_operator.sizing.plan import Memory, ServingPlan

A_COMMIT = "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"
A_UID = "6f1f4ad0-7b5b-4d9e-9e27-6f6a3f7f5c11"

LLAMA_CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def a_model(
    *, metadata: Mapping[str, Any] | None = None, status: Mapping[str, Any] | None = None, **spec: Any
) -> GenerativeModel:
    """A model called ``mistral`` in ``team-a``; ``spec`` in camelCase or snake_case, as written by a user."""
    named = {"name": "mistral", "namespace": "team-a", "uid": A_UID, "generation": 1}
    asked = {"model": "mistralai/Mistral-7B-Instruct-v0.3"}
    return GenerativeModel.model_validate(
        {"metadata": named | dict(metadata or {}), "spec": asked | spec, "status": dict(status or {})}
    )


def llama_tensors(config: Mapping[str, Any] = LLAMA_CONFIG, dtype: str = "BF16") -> tuple[Tensor, ...]:
    """Every tensor of a Llama with this configuration and untied embeddings, in file order."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    layer = {
        "input_layernorm": (hidden,),
        "mlp.down_proj": (hidden, inner),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "post_attention_layernorm": (hidden,),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.v_proj": (keys, hidden),
    }
    shapes: dict[str, tuple[int, ...]] = {"lm_head.weight": (config["vocab_size"], hidden)}
    shapes["model.embed_tokens.weight"] = (config["vocab_size"], hidden)
    for index in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{index}.{name}.weight": shape for name, shape in layer.items()}
    shapes["model.norm.weight"] = (hidden,)
    return tuple(a_tensor(name, shape, dtype) for name, shape in shapes.items())


BYTES_PER_ELEMENT = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1, "U8": 1}


def a_tensor(name: str, shape: tuple[int, ...], dtype: str = "BF16") -> Tensor:
    """One tensor with the bytes that its shape and dtype need."""
    return Tensor(name=name, dtype=dtype, shape=shape, size_bytes=elements(shape) * BYTES_PER_ELEMENT[dtype])


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a shape."""
    count = 1
    for side in shape:
        count *= side
    return count


def some_files(weights_bytes: int) -> tuple[RepoFile, ...]:
    """The files of a repository with one weight file of this many bytes and its header."""
    return (
        RepoFile("config.json", 680, "1" * 40),
        RepoFile("generation_config.json", 111, "2" * 40),
        RepoFile("model.safetensors", weights_bytes + 2048, "3" * 40, sha256="4" * 64),
        RepoFile("tokenizer.json", 30_000, "5" * 40),
        RepoFile("tokenizer_config.json", 1_200, "6" * 40),
    )


def some_facts(**changes: Any) -> ModelFacts:
    """Facts of a small chat model of the Llama architecture; totals follow from ``tensors`` unless given."""
    tensors: tuple[Tensor, ...] = changes.get("tensors", llama_tensors())
    weights_bytes = sum(tensor.size_bytes for tensor in tensors)
    facts = ModelFacts(
        repository="mistralai/Mistral-7B-Instruct-v0.3",
        commit=A_COMMIT,
        architecture="LlamaForCausalLM",
        model_type="llama",
        task=ServedTask.GENERATE,
        tasks=(ServedTask.GENERATE, ServedTask.EMBED),
        config=LLAMA_CONFIG,
        files=some_files(weights_bytes),
        tensors=tensors,
        parameters=sum(elements(tensor.shape) for tensor in tensors),
        weights_bytes=weights_bytes,
        stored_precision="BFloat16",
        quantization=None,
        max_context=512,
        license="apache-2.0",
        gated=False,
        has_chat_template=True,
        provenance={"architecture": "config.json", "weights_bytes": "safetensors headers"},
    )
    return replace(facts, **changes)


GPU_PLAN = ServingPlan(
    resource="nvidia.com/gpu",
    product="NVIDIA-L4",
    count=1,
    replicas_fit=4,
    tensor_parallel=1,
    pipeline_parallel=1,
    dtype="bfloat16",
    max_model_len=16384,
    max_num_seqs=64,
    max_num_batched_tokens=2048,
    kv_cache_bytes=4_294_967_296,
    kv_tokens=32768,
    concurrency=2.0,
    gpu_memory_utilization=0.9,
    memory=Memory(
        total_gib=22.5, weights_gib=13.5, kv_cache_gib=4.0, activation_gib=1.0, overhead_gib=1.5, margin_gib=2.5
    ),
    host_memory_gib=12.0,
    shm_gib=1.0,
    ephemeral_gib=16.0,
    node_selector=(("nvidia.com/gpu.product", "NVIDIA-L4"),),
    tolerations=(),
    explanation="13.5 GiB weights + 4.0 GiB KV cache + 1.0 GiB activation + 1.5 GiB overhead fit in 22.5 GiB",
)

CPU_PLAN = ServingPlan(
    resource="cpu",
    product="CPU",
    count=0,
    replicas_fit=1,
    tensor_parallel=1,
    pipeline_parallel=1,
    dtype="bfloat16",
    max_model_len=512,
    max_num_seqs=16,
    max_num_batched_tokens=2048,
    kv_cache_bytes=1_073_741_824,
    kv_tokens=1_048_576,
    concurrency=2048.0,
    gpu_memory_utilization=0.0,
    memory=Memory(
        total_gib=6.0, weights_gib=0.5, kv_cache_gib=1.0, activation_gib=0.5, overhead_gib=3.0, margin_gib=1.0
    ),
    host_memory_gib=6.0,
    shm_gib=1.0,
    ephemeral_gib=1.0,
    node_selector=(),
    tolerations=(),
    explanation="0.5 GiB weights + 1.0 GiB KV cache + 0.5 GiB activation + 3.0 GiB overhead fit in 6.0 GiB",
)


def a_gpu_plan(**changes: Any) -> ServingPlan:
    """A plan on one NVIDIA L4."""
    return replace(GPU_PLAN, **changes)


def a_cpu_plan(**changes: Any) -> ServingPlan:
    """A plan for a small model on CPU."""
    return replace(CPU_PLAN, **changes)
