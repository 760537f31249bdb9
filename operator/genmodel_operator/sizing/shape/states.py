"""Mixers that keep a state of constant size per request instead of keys and values."""

from genmodel_operator.sizing.shape import kinds
from genmodel_operator.sizing.shape.fields import Fields, invalid, missing
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Mamba2, Mixer

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_WIDE_STATES = frozenset({"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"})
"""Types whose states are float32 where the configuration, written before the field existed, is silent."""


def state_mixer(fields: Fields, model_type: str, kind: str) -> Mixer:
    """Return the mixer of a kind that has a state; raises ``Unsizable`` naming what is missing."""
    match kind:
        case kinds.DELTA:
            return _delta(fields, model_type)
        case kinds.KIMI_DELTA:
            return _kimi_delta(fields)
        case kinds.LIGHTNING:
            return _lightning(fields)
        case kinds.MAMBA:
            return _mamba(fields)
        case kinds.MAMBA_1:
            return _mamba_1(fields)
        case kinds.CONVOLUTION:
            return _convolution(fields)
    raise missing("num_attention_heads")


def _state_bytes(fields: Fields, otherwise: int) -> int:
    declared = fields.get("mamba_ssm_dtype", "mamba_ssm_cache_dtype")
    if declared is None:
        return otherwise
    if not isinstance(declared, str) or declared not in _BYTES:
        raise invalid(fields.name_of("mamba_ssm_dtype", "mamba_ssm_cache_dtype"), declared, " or ".join(_BYTES))
    return _BYTES[declared]


def _delta(fields: Fields, model_type: str) -> GatedDeltaNet:
    return GatedDeltaNet(
        key_heads=fields.required("linear_num_key_heads", limit="heads"),
        value_heads=fields.required("linear_num_value_heads", limit="heads"),
        key_dim=fields.required("linear_key_head_dim"),
        value_dim=fields.required("linear_value_head_dim"),
        conv_kernel=fields.required("linear_conv_kernel_dim"),
        state_element_bytes=_state_bytes(fields, 4 if model_type in _WIDE_STATES else 2),
    )


def _kimi_delta(fields: Fields) -> GatedDeltaNet:
    declared = fields.mapping("linear_attn_config")
    for name in ("num_heads", "head_dim", "short_conv_kernel_size"):
        if not isinstance(declared.get(name), int):
            raise missing(f"linear_attn_config.{name}")
    heads, dim = declared["num_heads"], declared["head_dim"]
    return GatedDeltaNet(heads, heads, dim, dim, declared["short_conv_kernel_size"], 4, gate_rank=dim)


def _lightning(fields: Fields) -> GatedDeltaNet:
    heads = fields.required("num_attention_heads", limit="heads")
    dim = fields.number("head_dim") or fields.required("hidden_size") // heads
    return GatedDeltaNet(heads, heads, dim, dim, conv_kernel=1, state_element_bytes=4)


def _mamba(fields: Fields) -> Mamba2:
    heads = fields.required("mamba_num_heads", "mamba_n_heads", "num_heads", limit="heads")
    dim = fields.number("mamba_head_dim", "mamba_d_head", "head_dim")
    if dim is None:
        expand = fields.number("mamba_expand", "expand") or 2
        dim = expand * fields.required("hidden_size") // heads
    return Mamba2(
        heads=heads,
        head_dim=dim,
        state=fields.required("ssm_state_size", "mamba_d_state", "state_size"),
        groups=fields.required("n_groups", "mamba_n_groups", "mamba_ngroups", limit="heads"),
        conv_kernel=fields.required("conv_kernel", "mamba_d_conv"),
        state_element_bytes=_state_bytes(fields, 2),
        chunk_size=fields.number("mamba_chunk_size", "chunk_size") or 2048,
    )


def _mamba_1(fields: Fields) -> Mamba2:
    hidden = fields.required("hidden_size")
    inner = fields.number("intermediate_size") if not fields.get("mamba_d_state") else None
    return Mamba2(
        heads=inner or (fields.number("mamba_expand", "expand") or 2) * hidden,
        head_dim=1,
        state=fields.required("mamba_d_state", "state_size"),
        groups=0,
        conv_kernel=fields.required("mamba_d_conv", "conv_kernel"),
        state_element_bytes=_state_bytes(fields, 2),
        step_rank=fields.number("mamba_dt_rank", "time_step_rank") or -(-hidden // 16),
    )


def _convolution(fields: Fields) -> Mamba2:
    return Mamba2(
        heads=fields.required("conv_dim", "hidden_size"),
        head_dim=1,
        state=0,
        groups=0,
        conv_kernel=fields.required("conv_L_cache"),
        state_element_bytes=2,
    )
