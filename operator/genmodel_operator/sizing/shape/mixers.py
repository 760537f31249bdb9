"""The mixer of each layer: attention of every form, linear attention, state spaces."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from genmodel_operator.sizing.shape import kinds
from genmodel_operator.sizing.shape.fields import Fields, contradiction, whole
from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    LatentAttention,
    Mixer,
)
from genmodel_operator.sizing.shape.states import state_mixer

HIDDEN = ("hidden_size", "n_embd", "d_model")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("n_head_kv", "num_kv_heads", "num_key_value_heads", "multi_query_group_num", "num_attention_groups")
HEAD_DIM = ("head_dim", "kv_channels", "attention_head_dim", "hidden_size_per_head")

_ENCODERS = frozenset({
    "albert", "bert", "camembert", "distilbert", "ernie", "gte", "jina_embeddings_v3", "modernbert", "modernvbert",
    "mpnet", "new", "nomic_bert", "roberta", "xlm-roberta", "xlm-roberta-xl",
})  # fmt: skip
"""Types whose attention sees the input in both directions."""

_UNCOMPRESSED = frozenset({"minicpm3", "minicpm3_eagle"})
"""Types with projections of latent attention whose keys and values the engine caches uncompressed."""


@dataclass(frozen=True, slots=True)
class _Heads:
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int


def read_mixers(fields: Fields, model_type: str, layer_kinds: list[str]) -> list[Mixer | None]:
    """Return the mixer of each layer; raises ``Unsizable`` naming the field that is missing or wrong."""
    if set(layer_kinds) <= {kinds.NONE, kinds.MAMBA, kinds.MAMBA_1, kinds.CONVOLUTION}:
        heads = None
    else:
        heads = read_heads(fields, model_type)
    ratios = fields.items("compress_ratios")
    if ratios is not None and heads is not None:
        if len(ratios) < len(layer_kinds):
            raise contradiction(f"compress_ratios describes {len(ratios)} layers, and there are {len(layer_kinds)}")
        return [_compressed(fields, heads, ratio) for ratio in ratios[: len(layer_kinds)]]
    made: dict[str, Mixer | None] = {}
    for kind in set(layer_kinds):
        made[kind] = _mixer(fields, model_type, kind, heads)
    return [made[kind] for kind in layer_kinds]


def read_heads(fields: Fields, model_type: str) -> _Heads:
    """Return the heads of plain attention."""
    hidden, heads = fields.size(*HIDDEN), fields.size(*HEADS, limit="heads")
    kv_heads = _kv_heads(fields, model_type, heads)
    head_dim = fields.number(*HEAD_DIM)
    if head_dim is None:
        if hidden % heads and not fields.get("kv_lora_rank"):
            raise contradiction(f"hidden_size {hidden} is no multiple of num_attention_heads {heads}, without head_dim")
        head_dim = hidden // heads
    if heads % kv_heads:
        raise contradiction(f"num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}")
    return _Heads(hidden, heads, kv_heads, head_dim)


def _kv_heads(fields: Fields, model_type: str, heads: int) -> int:
    """Return the key and value heads: one with multi-query attention, all heads where nothing is said."""
    if model_type == "falcon" and not fields.flag("new_decoder_architecture"):
        return 1 if fields.flag("multi_query", otherwise=True) else heads
    if model_type == "chatglm" and not fields.flag("multi_query_attention"):
        return heads
    nested = fields.mapping("attn_config").get("kv_n_heads")
    if nested is not None:
        return whole(nested, "attn_config.kv_n_heads", limit="heads")
    declared = fields.number(*KV_HEADS, limit="heads")
    if declared is not None:
        return declared
    return 1 if model_type == "gpt_bigcode" and fields.flag("multi_query", otherwise=True) else heads


def _mixer(fields: Fields, model_type: str, kind: str, heads: _Heads | None) -> Mixer | None:
    if kind == kinds.NONE:
        return None
    if heads is None or kind not in (kinds.FULL, kinds.SLIDING, kinds.CHUNKED, kinds.CROSS):
        return state_mixer(fields, model_type, kind)
    if kind == kinds.CROSS:
        return CrossAttention(heads.heads, heads.kv_heads, heads.head_dim, _encoder_tokens(fields))
    return _with_tokens(fields, model_type, kind, heads)


def _with_tokens(fields: Fields, model_type: str, kind: str, heads: _Heads) -> Mixer:
    """Return attention to the tokens of the text itself."""
    if model_type in _ENCODERS or fields.get("is_causal") is False:
        return EncoderAttention(heads.heads, heads.kv_heads, heads.head_dim)
    latent = _latent(fields, heads)
    if latent is not None and model_type not in _UNCOMPRESSED:
        return latent
    plain = _attention(fields, kind, heads)
    if latent is None:
        return plain
    width = latent.nope_dim + latent.rope_dim
    return replace(plain, kv_heads=heads.heads, head_dim=width, value_dim=width, compression=latent)


def _attention(fields: Fields, kind: str, heads: _Heads) -> Attention:
    """Return plain attention of one kind, which may have heads of its own."""
    dim, kv_heads, value_dim = heads.head_dim, heads.kv_heads, fields.number("v_head_dim")
    query_heads = heads.heads
    if kind == kinds.SLIDING:
        dim = fields.number("swa_head_dim") or dim
        kv_heads = fields.number("swa_num_key_value_heads", limit="heads") or kv_heads
        query_heads = (
            fields.number("swa_num_attention_heads", "num_sliding_attention_heads", limit="heads") or heads.heads
        )
        value_dim = fields.number("swa_v_head_dim") or value_dim
    global_dim = fields.number("global_head_dim") or _dim_of_named_layers(fields)
    other_full = kind == kinds.FULL and global_dim is not None
    if other_full:
        dim, value_dim = global_dim or dim, None
    shares = kind == kinds.FULL and fields.flag("attention_k_eq_v")
    if other_full or shares:
        kv_heads = fields.number("num_global_key_value_heads", limit="heads") or kv_heads
    return Attention(
        heads=query_heads,
        kv_heads=kv_heads,
        head_dim=dim,
        value_dim=value_dim or dim,
        window=fields.required(*kinds.WINDOW) if kind == kinds.SLIDING else None,
        chunk=fields.required("attention_chunk_size") if kind == kinds.CHUNKED else None,
        output_gate=_has_gate(fields),
        query_rank=fields.number("share_q_dim"),
        shares_values=shares,
    )


def _dim_of_named_layers(fields: Fields) -> int | None:
    """Return the head size that ``per_layer_config`` gives single layers, which are those of full attention."""
    named = fields.mapping("per_layer_config").values()
    sizes = {layer["head_dim"] for layer in named if isinstance(layer, Mapping) and "head_dim" in layer}
    return whole(sizes.pop(), "per_layer_config.head_dim") if len(sizes) == 1 else None


def _has_gate(fields: Fields) -> bool:
    """Whether the query projection yields a gate; Qwen3-Next has it without saying so."""
    hybrid = bool(fields.get("linear_num_value_heads"))
    return fields.flag("attn_output_gate", otherwise=hybrid)


def _latent(fields: Fields, heads: _Heads) -> LatentAttention | None:
    if fields.get("kv_lora_rank") is None:
        return None
    nope = fields.required("qk_nope_head_dim")
    return LatentAttention(
        heads=heads.heads,
        kv_rank=fields.required("kv_lora_rank"),
        rope_dim=fields.required("qk_rope_head_dim"),
        nope_dim=nope,
        value_dim=fields.number("v_head_dim") or heads.hidden // heads.heads,
        query_rank=fields.number("q_lora_rank"),
        index_heads=fields.number("index_n_heads", limit="heads") or 0,
        index_dim=fields.number("index_head_dim") or 0,
    )


def _compressed(fields: Fields, heads: _Heads, ratio: object) -> CompressedAttention:
    if isinstance(ratio, bool) or not isinstance(ratio, int) or ratio < 0:
        raise contradiction(f"compress_ratios has {ratio!r}, not a whole number of tokens")
    chosen = ratio == 4
    return CompressedAttention(
        heads=heads.heads,
        head_dim=heads.head_dim,
        rope_dim=fields.required("qk_rope_head_dim"),
        window=fields.required("sliding_window"),
        ratio=ratio,
        query_rank=fields.required("q_lora_rank"),
        output_groups=fields.required("o_groups"),
        output_rank=fields.required("o_lora_rank"),
        index_heads=fields.required("index_n_heads") if chosen else 0,
        index_dim=fields.required("index_head_dim") if chosen else 0,
        streams=fields.number("hc_mult") or 1,
    )


def _encoder_tokens(fields: Fields) -> int:
    """Return the most tokens that the image encoder yields: tiles of patches and a class token each."""
    vision = fields.mapping("vision_config")
    tiles, image, patch = (whole(vision.get(name, other), f"vision_config.{name}") for name, other in _TILES)
    return tiles * ((image // patch) ** 2 + 1)


_TILES = (("max_num_tiles", 4), ("image_size", 560), ("patch_size", 14))
"""Fields of the Mllama vision tower and their defaults."""
