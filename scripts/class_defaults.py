"""Write the class defaults of Transformers that sizing falls back on where a configuration is silent.

Run it with a Python that has transformers: python scripts/class_defaults.py. What it writes is
committed, so that neither the operator nor its tests need transformers.
"""

import json
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

TARGET = Path(__file__).parents[1] / "operator/genmodel_operator/sizing/shape/class_defaults.json"
TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder_config")
FIELDS = frozenset({
    # sizes
    "hidden_size", "n_embd", "d_model", "num_hidden_layers", "num_layers", "n_layer", "n_layers", "depth",
    "num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "num_kv_heads", "n_head_kv",
    "head_dim", "v_head_dim", "global_head_dim", "num_global_key_value_heads", "swa_head_dim", "vocab_size",
    "intermediate_size", "intermediate_size_mlp", "ffn_hidden_size", "ffn_dim", "n_inner", "mlp_ratio",
    "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "type_vocab_size",
    "tie_word_embeddings", "multi_query", "alibi", "position_embedding_type",
    # projections
    "attention_bias", "mlp_bias", "qkv_bias", "use_bias", "bias", "use_qk_norm", "use_qkv_bias", "attn_output_gate",
    "kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "index_head_dim", "index_n_heads",
    # mixtures
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_experts_per_tok",
    "moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size", "n_shared_experts",
    "num_shared_experts", "moe_num_shared_experts", "moe_shared_expert_intermediate_size", "moe_latent_size",
    "share_expert_dim", "first_k_dense_replace", "moe_layer_freq", "decoder_sparse_step", "mlp_only_layers",
    "interleave_moe_layer_step", "expert_layer_period", "expert_layer_offset", "moe_layer_start_index",
    "moe_layer_end_index", "moe_layer_interval", "moe_k", "top_k_experts", "enable_moe_block",
    # kinds of layers
    "sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern", "_sliding_window_pattern",
    "attention_chunk_size", "no_rope_layer_interval", "num_kv_shared_layers", "cross_attention_layers",
    "attention_k_eq_v", "use_double_wide_mlp", "attn_layer_period", "attn_layer_offset", "compress_rates", "o_groups",
    "o_lora_rank", "is_causal", "num_nextn_predict_layers", "hidden_size_per_layer_input",
    "vocab_size_per_layer_input", "altup_num_inputs", "laurel_rank",
    # states
    "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "linear_conv_kernel_dim", "mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel",
    "mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state", "mamba_d_conv", "mamba_expand",
    "mamba_dt_rank", "mamba_ssm_dtype", "mamba_ssm_cache_dtype", "conv_L_cache", "expand", "state_size",
    "time_step_rank",
    # rotary positions
    "rope_parameters", "partial_rotary_factor", "rotary_pct", "rotary_dim", "rope_theta",
    # towers
    "patch_size", "image_size", "num_channels", "out_hidden_size", "spatial_merge_size", "temporal_patch_size",
    "embed_dim", "hidden_act", "num_position_embeddings", "deepstack_visual_indexes", "in_channels", "in_chans",
})  # fmt: skip
"""Fields that sizing reads."""


def main() -> None:
    """Collect and write."""
    classes, texts, visions = {}, {}, {}
    for name in sorted(CONFIG_MAPPING_NAMES):
        default = _default(name)
        if default is None:
            continue
        text = next((default[part] for part in TEXT_PARTS if isinstance(default.get(part), dict)), None)
        if text and text.get("model_type"):
            texts[name] = text["model_type"]
        vision = default.get("vision_config")
        if isinstance(vision, dict) and vision.get("model_type"):
            visions[name] = vision["model_type"]
        derived = _derived(name, default)
        kept = {key: value for key, value in _kept(default).items() if key not in derived}
        if kept:
            classes[name] = kept
    document = {
        "source": "class defaults of transformers, written by scripts/class_defaults.py",
        "transformers": transformers.__version__,
        "architectures": _architectures(),
        "text_types": texts,
        "vision_types": visions,
        "classes": classes,
    }
    TARGET.write_text(_text(document), encoding="utf-8")


def _text(document: dict[str, Any]) -> str:
    """Return JSON with one line per class, so that a change can be read."""
    head = {key: value for key, value in document.items() if not isinstance(value, dict)}
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, table in document.items():
        if isinstance(table, dict):
            lines = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(table[name], sort_keys=True)}" for name in sorted(table)
            )
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n }}")
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _default(name: str, **given: int) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(json.dumps(CONFIG_MAPPING[name](**given).to_dict(), default=str))
    except (ImportError, OSError, TypeError, ValueError, StrictDataclassError):
        return None  # classes that need parts of their own have no defaults
    return found


def _derived(name: str, default: dict[str, Any]) -> set[str]:
    """Return the fields whose default follows from another field: those are no constants of the class."""
    changed: set[str] = set()
    if default.get("num_key_value_heads") == default.get("num_attention_heads"):
        changed.add("num_key_value_heads")  # one per query head, whether or not the class says so
    for field in ("hidden_size", "n_embd", "d_model", "num_attention_heads", "n_head", "num_heads"):
        if isinstance(default.get(field), int):
            other = _default(name, **{field: 2 * default[field]}) or {}
            changed |= {key for key in other if key != field and other[key] != default.get(key)}
    return changed


def _kept(default: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are numbers, switches, names or rope tables, and the pattern of the layers."""
    kept = {key: value for key, value in default.items() if key in FIELDS}
    for field in ("layer_types", "mlp_layer_types", "layers_block_type"):
        pattern = _pattern(default.get(field))
        if pattern:
            kept[f"{field}_pattern"] = pattern
    return kept


def _pattern(kinds: object) -> list[str]:
    """Return the shortest run that repeats to the whole list; empty where the list has no period."""
    if not isinstance(kinds, list):
        return []
    for period in range(1, len(kinds) // 2 + 1):
        if all(kind == kinds[i % period] for i, kind in enumerate(kinds)):
            return kinds[:period]
    return []


def _architectures() -> dict[str, str]:
    """Return the model type of every class that can be named under ``architectures``."""
    found: dict[str, str] = {}
    for mapping in ("MODEL", "MODEL_FOR_CAUSAL_LM", "MODEL_FOR_IMAGE_TEXT_TO_TEXT", "MODEL_FOR_MASKED_LM",
                    "MODEL_FOR_SEQUENCE_CLASSIFICATION"):  # fmt: skip
        for model_type, names in getattr(modeling_auto, f"{mapping}_MAPPING_NAMES").items():
            for name in [names] if isinstance(names, str) else names:
                found.setdefault(name, model_type)
    return found


if __name__ == "__main__":
    main()
