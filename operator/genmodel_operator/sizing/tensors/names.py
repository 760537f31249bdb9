"""What a tensor is, from its name: which part of the model, and how the engine divides it over devices.

Unknown names count as copies on every device, so that an answer is never too small for them.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from genmodel_operator.sizing.tensors.model import Part


class Division(Enum):
    """How tensor parallelism divides a tensor."""

    WHOLE = "a copy on every device"
    EVEN = "an even share"
    KEYS = "by key and value heads, at least one"
    QUERIES_AND_KEYS = "by query heads and key and value heads together"
    EXPERTS = "by experts, or by slices of each"


class Place(Enum):
    """On which stages of a pipeline a tensor outside the layers is."""

    FIRST = "the first"
    LAST = "the last"
    EVERY = "every one"


@dataclass(frozen=True, slots=True)
class Role:
    """What a tensor is. ``layer`` is its index, None outside the layers; ``is_linear``: quantisation may apply."""

    part: Part
    division: Division
    layer: int | None = None
    place: Place = Place.EVERY
    is_linear: bool = False


SKIPPED = re.compile(
    r"rotary_emb\.|rotary_pos_emb|position_ids$|\.attn\.(masked_)?bias$|\.attention\.(masked_)?bias$"
    r"|(^|\.)mtp\.|(^|\.)mtp_|\.(k|v|q|kv|prob|attn)_scale$|_proj\.output_scale$|\.g_idx$|embeddings\.position_ids"
)
"""Tensors that the engine does not load: it computes them itself, or needs them only for drafting."""

TOWER = re.compile(
    r"(^|\.)(visual|vision\w*|image_\w+|multi_modal_projector|mm_projector|multimodal_projector|audio\w*|sound\w*|speech\w*"
    r"|embed_(vision|audio)|patch_merger|pre_mm_projector_norm|aligner|connector|vpm|resampler|mlp1|vit|projector"
    r"|modality_projection|perceive\w*|img_\w+)\."
)
"""Encoders of other inputs and what leads from them to the text model."""

_MISTRAL_TOWER = re.compile(r"^(vision_encoder|vision_language_adapter|patch_merger|pre_mm_projector_norm)\.")
"""Towers in Mistral's own format: the engine keeps them whole on every device."""

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")
_EXPERTS = re.compile(r"\.experts\.|\.block_sparse_moe\.(input|output)_linear\.")
_QKV = re.compile(r"\.(qkv_proj|query_key_value|c_attn|Wqkv|wqkv|qkv|W_pack|in_proj_weight)(\.|$)")
_KV = re.compile(r"\.(k_proj|v_proj|self\.key|self\.value|wk|wv|k_lin|v_lin)\.")
_COLUMN = re.compile(
    r"\.(q_proj|query|wq|q_lin|gate_proj|up_proj|gate_up_proj|w1|w3|fc1|c_fc|dense_h_to_4h|fc_in|lin1|intermediate\.dense|linear_1"
    r"|q_b_proj|kv_b_proj|k_up_proj|v_up_proj|wq_b|wo_a|in_proj\w*|conv1d|[qkv]_conv1d|A_log|dt_bias|D|dt_proj|g_proj"
    r"|input_linear|b_proj|f_b_proj|g_b_proj|linear_fc1|Wi|conv\.conv|sinks|attn_sink|output_gate|x_proj_out)\b"
)
_ROW = re.compile(
    r"\.(o_proj|out_proj|down_proj|w2|fc2|c_proj|dense_4h_to_h|fc_out|lin2|wo|wo_b|out_lin|output\.dense|x_proj|linear_fc2"
    r"|Wo|linear_2|output_linear)\b"
)
_ATTENTION_OUTPUT = re.compile(r"\.(self_attn|self_attention|attention|attn)\.dense\.")
_ALWAYS_WHOLE = re.compile(
    r"(norm\w*|layernorm\w*|ln_\w+|ln)(\.(weight|bias))?$|\.router\.|\.gate\.(weight|bias|e_score|wg)|indexer|compressor|shared_expert_gate|\.hc_|laurel|altup|per_layer"
)
_NORM = re.compile(r"norm\w*(\.(weight|bias))?$")
_SHARED = re.compile(r"shared_experts?|shared_mlp|shared_head|share_expert")
_ATTENTION = re.compile(r"attn|attention|mixer|mamba|\.conv\.|linear_attn")
_WORDS = re.compile(
    r"(embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|word_embedding|embedding|embeddings|embed)\."
)
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output_layer|output|head)\.(weight|bias)$")
_LEARNED = re.compile(r"(position_embeddings|embed_positions|wpe|token_type_embeddings|position_embedding)\.")
_LAYER_INPUTS = re.compile(r"embed_tokens_per_layer\.")


@lru_cache(maxsize=16384)
def split_name(name: str) -> tuple[str, int | None]:
    """Return a name with # in the place of the layer's number, and the number; what a tensor is follows from the first.

    The same patterns come in every layer, so that each is looked at once.
    """
    match = _LAYER.search(name)
    if match is None:
        return name, None
    return f"{name[: match.start(1)]}#{name[match.end(1) :]}", int(match[1])


@lru_cache(maxsize=65536)
def _is_of_tower(pattern: str) -> bool:
    return TOWER.search(pattern) is not None


@lru_cache(maxsize=65536)
def _is_skipped(pattern: str) -> bool:
    return SKIPPED.search(pattern) is not None


def is_of_tower(name: str) -> bool:
    """Whether a tensor belongs to the encoder of other inputs."""
    return _is_of_tower(split_name(name)[0])


def is_skipped(name: str) -> bool:
    """Whether the engine leaves a tensor alone."""
    return _is_skipped(split_name(name)[0])


def is_word_table(name: str) -> bool:
    """Whether the tensor is the table of words or the output matrix, whose rows the engine pads."""
    pattern, layer = split_name(name)
    if layer is not None or _is_of_tower(pattern):
        return False
    return not _LEARNED.search(name) and bool(_HEAD.search(name) or _WORDS.search(name))


def is_head(name: str) -> bool:
    """Whether the tensor is the output matrix."""
    pattern, layer = split_name(name)
    return layer is None and not _is_of_tower(pattern) and bool(_HEAD.search(name))


def layer_of(name: str) -> int | None:
    """Return the index of the text layer that a tensor is in; None outside the layers and in towers."""
    pattern, layer = split_name(name)
    return None if layer is None or _is_of_tower(pattern) else layer


def block_of(name: str) -> str:
    """Return the parameter of the engine that a tensor becomes a part of; "" for vectors and towers."""
    return _block(split_name(name)[0])


@lru_cache(maxsize=65536)
def _block(name: str) -> str:
    """Return the parameter of the engine that a tensor becomes a part of; "" for vectors and towers.

    The engine fuses queries, keys and values, gates and ups, and all experts of a layer.
    """
    module, _, kind = name.rpartition(".")
    if TOWER.search(name) or kind in ("bias", "A_log", "dt_bias", "D") or "norm" in module.rpartition(".")[2]:
        return ""
    base = "experts." if _EXPERTS.search(name) else "shared." if _SHARED.search(name) else ""
    last = module.rpartition(".")[2] if kind in _KINDS or "scale" in kind else kind
    return f"{base}{_FUSED.get(last, last)}.{'weight' if kind in _KINDS else kind}"


_KINDS = frozenset({"weight", "qweight", "weight_packed"})
_FUSED = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "query", "key", "value", "wq", "wk", "wv"), "qkv"),
    **dict.fromkeys(("gate_proj", "up_proj", "gate_up_proj", "w1", "w3"), "gate_up"),
    **dict.fromkeys(("q_a_proj", "kv_a_proj_with_mqa"), "qkv_a"),
    **dict.fromkeys(("wq_a", "wkv"), "wqa_wkv"),
    **dict.fromkeys(("in_proj_qkv", "in_proj_z"), "in_proj_qkvz"),
}


def role_of(name: str, *, dims: int, is_vector: bool) -> Role:
    """Return the role of a tensor. ``is_vector``: it has one value per output, such as a bias or a scale."""
    pattern, layer = split_name(name)
    role = _role(pattern, dims, is_vector=is_vector)
    if layer is None or _is_of_tower(pattern):
        return role
    return Role(role.part, role.division, layer, role.place, role.is_linear)


@lru_cache(maxsize=65536)
def _role(name: str, dims: int, *, is_vector: bool) -> Role:
    if TOWER.search(name):
        divided = dims > 1 and not is_vector and re.search(r"\.(\d+|#)\.", name) and not _MISTRAL_TOWER.search(name)
        return Role(Part.VISION, Division.EVEN if divided else Division.WHOLE)
    if ".#." not in name:
        return _outside(name)
    division, is_linear = _inside(f".{name}", is_divisible=dims > 1 and not is_vector)
    return Role(_part(name, division), division, is_linear=is_linear)


def _outside(name: str) -> Role:
    if _LAYER_INPUTS.search(name):
        return Role(Part.EMBEDDINGS, Division.EVEN, place=Place.FIRST)
    if _LEARNED.search(name):
        return Role(Part.EMBEDDINGS, Division.WHOLE, place=Place.FIRST)
    if _HEAD.search(name):
        return Role(Part.EMBEDDINGS, Division.EVEN, place=Place.LAST)
    if _WORDS.search(name) and "norm" not in name.lower():
        return Role(Part.EMBEDDINGS, Division.EVEN, place=Place.FIRST)
    return Role(Part.OTHER, Division.WHOLE, place=Place.LAST)


def _inside(name: str, *, is_divisible: bool) -> tuple[Division, bool]:
    """Return how a tensor of a layer is divided, and whether it belongs to a linear map."""
    if _EXPERTS.search(name) and not _SHARED.search(name):
        return Division.EXPERTS, True
    if _ALWAYS_WHOLE.search(name):
        return Division.WHOLE, bool(re.search(r"indexer\.wq_b|indexer\.wk\.", name))
    fused, keys = _QKV.search(name), _KV.search(name)
    if fused or keys:
        return (Division.QUERIES_AND_KEYS if fused else Division.KEYS), True
    if _COLUMN.search(name):
        return Division.EVEN, not re.search(r"conv1d|A_log|dt_bias|\.D\b|sink|conv\.conv", name)
    if _ROW.search(name) or _ATTENTION_OUTPUT.search(name):
        return (Division.EVEN if is_divisible else Division.WHOLE), True
    return Division.WHOLE, bool(
        re.search(r"\.(q_a_proj|kv_a_proj\w*|wq_a|wkv|fused_qkv_a\w*|f_a_proj|g_a_proj)\.", name)
    )


def _part(name: str, division: Division) -> Part:
    if division is Division.EXPERTS:
        return Part.EXPERTS
    if _NORM.search(name):
        return Part.OTHER
    if _ATTENTION.search(name):
        return Part.ATTENTION
    return Part.MLP
