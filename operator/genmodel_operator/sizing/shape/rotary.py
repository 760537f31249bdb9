"""The tables of rotary positions, which the engine computes at start and keeps whole on every device."""

from collections.abc import Iterable, Mapping
from typing import Any

from genmodel_operator.sizing.shape.fields import Fields, invalid, whole
from genmodel_operator.sizing.shape.model import Attention, CompressedAttention, LatentAttention, Mixer, RotaryTable

POSITIONS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length", "max_target_positions",
    "max_sequence_length", "max_seq_length", "seq_len",
)  # fmt: skip
"""Names of the longest input; the smallest counts, as in the engine."""

_WITHOUT = frozenset({
    "albert", "bert", "bloom", "camembert", "distilbert", "gpt2", "gpt_bigcode", "jamba", "mamba", "mamba2", "mpnet",
    "mpt", "nemotron_h", "nemotron_h_puzzle", "opt", "roberta", "xlm-roberta", "xlm-roberta-xl",
})  # fmt: skip
"""Types without rotary positions."""

_THREE_AXES = frozenset({
    "glm4v", "glm4v_moe", "paddleocr_vl", "qwen2_5_omni", "qwen2_5_vl", "qwen2_vl", "qwen3_5", "qwen3_5_moe",
    "qwen3_omni_moe", "qwen3_vl", "qwen3_vl_moe",
})  # fmt: skip
"""Multimodal types whose positions have three axes; the engine makes their table four times as long,
until 0.32 (seen in 0.30) for those of Qwen3."""

_EVER = (1_000_000, 0)

_HALF = frozenset({"chatglm"})
_WIDE = frozenset({"gpt_oss"})
"""Types whose table the engine keeps in float32."""

_UNSCALED = ("yarn", "deepseek_yarn", "llama3", "longrope", "su", "deepseek_llama_scaling")
"""Kinds of scaling whose factor is in ``max_position_embeddings`` already."""


def read_positions(fields: Fields, model_type: str) -> int:
    """Return the model's own limit in tokens, as the engine derives it."""
    found = [whole(fields.get(name), name, limit="positions") for name in POSITIONS if fields.says(name)]
    if not found:
        default = fields.number(*POSITIONS, limit="positions")
        found = [default if default is not None else 2048]
    positions = min(found)
    factors = [rope.get("factor") for rope in _ropes(fields) if _kind(rope) not in _UNSCALED]
    factor = next((value for value in factors if isinstance(value, int | float) and value > 0), 1)
    return positions if "gemma3" in model_type else int(positions * factor)


def read_tables(
    fields: Fields, model_type: str, mixers: Iterable[Mixer | None], *, outer_type: str
) -> tuple[RotaryTable, ...]:
    """Return the tables that the layers need, each once; ``outer_type`` is that of the whole configuration."""
    if model_type in _WITHOUT or fields.flag("alibi") or fields.get("position_embedding_type") in ("nope", "alibi"):
        return ()
    distinct = set(mixers)
    latent = next((mixer for mixer in distinct if isinstance(mixer, LatentAttention)), None)
    compressed = next((mixer for mixer in distinct if isinstance(mixer, CompressedAttention)), None)
    if compressed is not None:
        limit = fields.number("max_position_embeddings", limit="positions") or 1
        return (RotaryTable(limit, compressed.rope_dim, 4),) * 2
    if latent is not None:
        return _latent_tables(fields, latent)
    has_axes = outer_type in _THREE_AXES
    tables: list[RotaryTable] = []
    windowed = [m for m in distinct if isinstance(m, Attention) and m.window]
    full = [m for m in distinct if isinstance(m, Attention) and not m.window]
    if _has_two(fields):
        tables += [
            _table(fields, model_type, _rope_of(fields, "sliding_attention"), mixer, has_axes=False)
            for mixer in windowed[:1]
        ]
        tables += [
            _table(fields, model_type, _rope_of(fields, "full_attention"), mixer, has_axes=False) for mixer in full[:1]
        ]
        return tuple(tables)
    dims = {
        _table(fields, model_type, _rope_of(fields, "full_attention"), mixer, has_axes=has_axes)
        for mixer in [*full, *windowed]
    }
    return tuple(sorted(dims, key=lambda table: (table.rows, table.dim)))


def _latent_tables(fields: Fields, latent: LatentAttention) -> tuple[RotaryTable, ...]:
    """Return the table of latent attention, and the indexer's own, which pairs its elements differently."""
    rope = _rope_of(fields, "full_attention")
    table = RotaryTable(_rows(fields, rope), latent.rope_dim, 4 if _kind(rope) in ("yarn", "deepseek_yarn") else None)
    return (table, table) if latent.index_heads else (table,)


def _ropes(fields: Fields) -> list[Mapping[str, Any]]:
    return [_rope_of(fields, "full_attention")]


def _has_two(fields: Fields) -> bool:
    """Whether windowed and full layers turn by frequencies of their own: one table each."""
    nested = fields.mapping("rope_parameters")
    return "sliding_attention" in nested or fields.says("rope_local_base_freq", "local_rope_theta", "swa_rope_theta")


def _rope_of(fields: Fields, kind: str) -> Mapping[str, Any]:
    """Return the rope parameters of one kind of layer; the class's own where the file has none."""
    declared = fields.stated("rope_scaling") or fields.get("rope_parameters")
    if declared is None:
        return {}
    if not isinstance(declared, Mapping):
        raise invalid(fields.name_of("rope_scaling", "rope_parameters"), declared, "an object")
    nested = declared.get(kind)
    if isinstance(nested, Mapping):
        return nested
    if kind == "sliding_attention" and fields.says("rope_scaling"):
        return {}  # scaling stretches the full layers only
    return declared


def _kind(rope: Mapping[str, Any]) -> str:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    return {"su": "longrope", "mrope": "default"}.get(str(kind), str(kind))


def _table(
    fields: Fields, model_type: str, rope: Mapping[str, Any], mixer: Attention, *, has_axes: bool
) -> RotaryTable:
    dim = int(mixer.compression.rope_dim if mixer.compression else mixer.head_dim * _partial(fields, model_type, rope))
    if _kind(rope) == "proportional":
        dim = mixer.head_dim
    before = None
    if has_axes or "mrope_section" in rope or rope.get("type") == "mrope":
        before = (0, 32) if model_type.startswith("qwen3") else _EVER
    return RotaryTable(_rows(fields, rope), dim, 4 if model_type in _WIDE else None, before)


def _partial(fields: Fields, model_type: str, rope: Mapping[str, Any]) -> float:
    """Return the part of a head that is turned."""
    declared = rope.get("partial_rotary_factor")
    if declared is None:
        declared = fields.get("partial_rotary_factor", "rotary_pct", "rotary_emb_fraction")
    if declared is None:
        rotated = fields.number("rotary_dim")
        width = fields.number("head_dim") or fields.required("hidden_size", "n_embd", "d_model") // fields.required(
            "num_attention_heads", "n_head", "n_heads"
        )
        return rotated / width if rotated else 0.5 if model_type in _HALF else 1.0
    if isinstance(declared, bool) or not isinstance(declared, int | float) or not 0 < declared <= 1:
        raise invalid("partial_rotary_factor", declared, "a number above 0 and at most 1")
    return float(declared)


def _rows(fields: Fields, rope: Mapping[str, Any]) -> int:
    """Return the rows of a table: stretched kinds have more than the configuration's positions."""
    positions = fields.number("max_position_embeddings", *POSITIONS, limit="positions") or 2048
    factor = rope.get("factor") or 1
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= 100_000:
        raise invalid("rope_scaling.factor", factor, "a number above 0")
    original = rope.get("original_max_position_embeddings") or fields.get("original_max_position_embeddings")
    kind = _kind(rope)
    if kind == "linear":
        return int(positions * factor)
    if kind in ("yarn", "deepseek_yarn"):
        return int(whole(original or positions, "original_max_position_embeddings", limit="positions") * factor)
    if kind == "longrope":
        return int(positions + whole(original or positions, "original_max_position_embeddings", limit="positions"))
    return positions
