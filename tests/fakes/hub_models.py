"""Tiny repositories of every kind, with valid files made without an ML library."""

import json
import random
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from tests.fakes.hub_store import Blob, Commit, HollowBlob, Repository

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]

_WIDTHS = {"BF16": 2, "F16": 2, "F32": 4, "I64": 8, "I8": 1, "U8": 1}
# The top byte of a small positive or negative number, so that weights are neither NaN nor huge.
_TOP_BYTES = {"BF16": (0x3C, 0xBC), "F16": (0x20, 0xA0), "F32": (0x3C, 0xBC)}

CHAT_TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant: "

LLAMA_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 257,
    "eos_token_id": 258,
    "torch_dtype": "bfloat16",
}

# 123 billion parameters: too many for eight devices of 24 GB, not for sixteen.
LARGE_CONFIG: Mapping[str, Any] = LLAMA_CONFIG | {
    "hidden_size": 12288,
    "intermediate_size": 28672,
    "num_hidden_layers": 88,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 32768,
    "max_position_embeddings": 32768,
}

BERT_CONFIG: Mapping[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 128,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "position_embedding_type": "absolute",
    "torch_dtype": "float32",
}

SENTENCE_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def as_json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


def safetensors_file(shapes: Shapes, *, seed: int = 0) -> bytes:
    """A safetensors file with small random numbers in tensors of these dtypes and shapes."""
    rng = random.Random(seed)
    data = b"".join(_numbers(rng, dtype, prod(shape)) for dtype, shape in shapes.values())
    return framed_header(_header(shapes)) + data


def hollow_safetensors(shapes: Shapes) -> HollowBlob:
    """A safetensors file whose header says all of these tensors, without their numbers."""
    header = _header(shapes)
    head = framed_header(header)
    return HollowBlob(head, len(head) + max(entry["data_offsets"][1] for entry in header.values() if "dtype" in entry))


def _header(shapes: Shapes) -> dict[str, Any]:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, (dtype, shape) in shapes.items():
        end = begin + prod(shape) * _WIDTHS[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    return header


def framed_header(header: Mapping[str, Any]) -> bytes:
    """A safetensors header with its length, padded as the format asks."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _numbers(rng: random.Random, dtype: str, count: int) -> bytes:
    width = _WIDTHS[dtype]
    content = bytearray(rng.randbytes(count * width))
    if dtype in _TOP_BYTES:
        positive, negative = _TOP_BYTES[dtype]
        table = bytes([positive] * 128 + [negative] * 128)
        content[width - 1 :: width] = rng.randbytes(count).translate(table)
    return bytes(content)


def llama_shapes(config: Mapping[str, Any] = LLAMA_CONFIG, dtype: str = "BF16") -> Shapes:
    """Every tensor of a Llama with untied embeddings."""
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {"lm_head.weight": (vocabulary, hidden)}
    shapes["model.embed_tokens.weight"] = (vocabulary, hidden)
    for layer in range(config["num_hidden_layers"]):
        parts: dict[str, tuple[int, ...]] = {
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
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in parts.items()}
    shapes["model.norm.weight"] = (hidden,)
    return {name: (dtype, shape) for name, shape in shapes.items()}


def bert_shapes(config: Mapping[str, Any] = BERT_CONFIG) -> Shapes:
    """The tensors of a BERT encoder."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    layer = {f"attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
    layer |= {"attention.output.dense": (hidden, hidden), "intermediate.dense": (inner, hidden)}
    layer |= {"output.dense": (hidden, inner)}
    for index in range(config["num_hidden_layers"]):
        for name, shape in layer.items():
            shapes[f"encoder.layer.{index}.{name}.weight"] = shape
            shapes[f"encoder.layer.{index}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{index}.{name}.{part}": (hidden,) for part in ("weight", "bias")}
    return {name: ("F32", shape) for name, shape in shapes.items()}


def byte_tokenizer(vocabulary: int = 512) -> dict[str, Any]:
    """A ``tokenizer.json`` with one token per byte, three special tokens and unused ones to fill up."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    symbols = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    vocab = {symbols[byte]: byte for byte in range(256)}
    special = {"<unk>": 256, "<s>": 257, "</s>": 258}
    vocab |= special | {f"<unused{index}>": index for index in range(259, vocabulary)}
    return {
        "version": "1.0",
        "added_tokens": [_special_token(name, index) for name, index in special.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": False, "vocab": vocab, "merges": []},
    }


def _special_token(name: str, index: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": name, **flags}


def tokenizer_files(vocabulary: int = 512, *, max_length: int = 512) -> dict[str, bytes]:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": max_length,
        "chat_template": CHAT_TEMPLATE,
    }
    return {"tokenizer.json": as_json(byte_tokenizer(vocabulary)), "tokenizer_config.json": as_json(config)}


def llama_files(config: Mapping[str, Any] = LLAMA_CONFIG, *, shards: int = 1, seed: int = 0) -> dict[str, bytes]:
    """A Llama repository, with files beside the model that nobody needs to fetch."""
    return {
        "README.md": b"---\nlicense: apache-2.0\n---\n# Tiny Llama\n",
        "original/params.json": b"{}",
        "config.json": as_json(config),
        "generation_config.json": as_json({"bos_token_id": 257, "eos_token_id": 258}),
        **tokenizer_files(config["vocab_size"], max_length=config["max_position_embeddings"]),
        **weight_files(llama_shapes(config), shards=shards, seed=seed),
    }


def weight_files(shapes: Shapes, *, shards: int, seed: int = 0) -> dict[str, bytes]:
    """``model.safetensors``, or shards with their index."""
    if shards == 1:
        return {"model.safetensors": safetensors_file(shapes, seed=seed)}
    names = list(shapes)
    files: dict[str, bytes] = {}
    weight_map: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        chosen = names[number::shards]
        files[file] = safetensors_file({name: shapes[name] for name in chosen}, seed=seed + number)
        weight_map |= dict.fromkeys(chosen, file)
    total = sum(prod(shape) * _WIDTHS[dtype] for dtype, shape in shapes.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    return {**files, "model.safetensors.index.json": as_json(index)}


def bert_words(vocabulary: int = BERT_CONFIG["vocab_size"]) -> bytes:
    """A ``vocab.txt`` whose words are single letters."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(97 + n) for n in range(26))]
    words += [f"[unused{n}]" for n in range(vocabulary - len(words))]
    return "\n".join(words).encode() + b"\n"


def bert_files() -> dict[str, bytes]:
    """A sentence-transformers repository."""
    pooling = {"word_embedding_dimension": BERT_CONFIG["hidden_size"], "pooling_mode_mean_tokens": True}
    return {
        "README.md": b"# Tiny BERT\n",
        "config.json": as_json(BERT_CONFIG),
        "modules.json": as_json(SENTENCE_MODULES),
        "1_Pooling/config.json": as_json(pooling),
        "sentence_bert_config.json": as_json({"max_seq_length": 32, "do_lower_case": False}),
        "vocab.txt": bert_words(),
        "tokenizer_config.json": as_json({"tokenizer_class": "BertTokenizer", "model_max_length": 64}),
        "model.safetensors": safetensors_file(bert_shapes()),
        "pytorch_model.bin": b"\x80\x02not fetched",
    }


def a_repository(name: str, *commits: Mapping[str, bytes | Blob], **properties: Any) -> Repository:
    """A repository from the files of its commits, oldest first; ``main`` is the last, ``v1.0`` the first."""
    made = [
        Commit({path: _blob(content) for path, content in files.items()}, title=f"Commit {number}")
        for number, files in enumerate(commits, start=1)
    ]
    return Repository(name, made, **properties)


def _blob(content: bytes | Blob) -> Blob:
    return content if isinstance(content, Blob) else Blob(content)


def large_files() -> dict[str, bytes | Blob]:
    """A Llama repository of full size, of which only what says how large it is was made."""
    others = without(llama_files(), "config.json", "model.safetensors")
    weights = hollow_safetensors(llama_shapes(LARGE_CONFIG))
    return {**others, "config.json": as_json(LARGE_CONFIG), "model.safetensors": weights}


def draft_files() -> dict[str, bytes]:
    """The small head that guesses ahead for a large model, as EAGLE stores it."""
    config = {**LLAMA_CONFIG, "architectures": ["LlamaForCausalLMEagle"], "num_hidden_layers": 1, "model_type": "eagle"}
    return {**llama_files(), "config.json": as_json(config)}


def speech_files() -> dict[str, bytes]:
    """A model that hears, and neither writes text by itself nor embeds it."""
    config = {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "d_model": 64}
    return {"config.json": as_json(config), "model.safetensors": safetensors_file({"a": ("F32", (4,))})}


def without(files: Mapping[str, bytes], *paths: str) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if path not in paths}


def standard_repositories() -> list[Repository]:
    """One repository of every kind that a client must tell apart."""
    generate = {"pipeline_tag": "text-generation"}
    llama, bare = llama_files(), without(llama_files(), "model.safetensors")
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "acme/tiny-llama", "r": 8}
    remote = {**LLAMA_CONFIG, "auto_map": {"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}}
    borrowed = {**LLAMA_CONFIG, "auto_map": {"AutoModelForCausalLM": "acme/base--modeling_own.OwnForCausalLM"}}
    return [
        a_repository("acme/tiny-llama", llama, llama_files(seed=7), downloads=900, likes=9, **generate),
        a_repository("acme/sharded-llama", llama_files(shards=2), downloads=500, likes=5, **generate),
        a_repository("acme/tiny-bert", bert_files(), library_name="sentence-transformers", likes=4,
                     pipeline_tag="sentence-similarity"),
        a_repository("acme/gated-llama", llama, gated="manual", **generate),
        a_repository("acme/private-llama", llama, private=True, **generate),
        a_repository("acme/disabled-llama", llama, disabled=True, **generate),
        a_repository("acme/pickle", {**bare, "pytorch_model.bin": b"\x80\x02", "training_args.bin": b"\x80\x02"}),
        a_repository("acme/gguf", {"README.md": b"", "tiny.Q4_K_M.gguf": b"GGUF"}, library_name="gguf"),
        a_repository("acme/adapter", {"adapter_config.json": as_json(adapter),
                                      "adapter_model.safetensors": safetensors_file({"a": ("F32", (4,))})}),
        a_repository("acme/remote-code", {**llama, "config.json": as_json(remote), "modeling_own.py": b"pass\n"}),
        a_repository("acme/code-elsewhere", {**llama, "config.json": as_json(borrowed)}),
        a_repository("acme/empty", {"README.md": b"nothing here\n"}),
        a_repository("acme/draft", draft_files(), **generate),
        a_repository("acme/speech", speech_files(), pipeline_tag="automatic-speech-recognition"),
        a_repository("acme/large-llama", large_files(), **generate),
    ]  # fmt: skip


def big_pickle_repository(size_bytes: int) -> Repository:
    """A repository with one large file, for tests of cuts and resumes."""
    content: Iterable[bytes] = (random.Random(1).randbytes(1 << 20) for _ in range(-(-size_bytes // (1 << 20))))
    return a_repository("acme/big", {"config.json": b"{}", "pytorch_model.bin": b"".join(content)[:size_bytes]})
