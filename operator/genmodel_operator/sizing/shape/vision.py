"""The encoder of images, as far as ``vision_config`` tells."""

from collections.abc import Mapping
from math import prod
from typing import Any

from genmodel_operator.sizing.shape.defaults import class_defaults
from genmodel_operator.sizing.shape.fields import Fields
from genmodel_operator.sizing.shape.model import VisionTower

_PARTS = ("vision_config", "vision_tower_config", "vision_encoder", "vit_config")
_GATED = frozenset({"pixtral", "qwen2_5_vl", "qwen2_5_vl_vision", "kimi_k25_vision"})
_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")


def read_vision(config: Mapping[str, Any], model_type: str, hidden: int) -> VisionTower | None:
    """Return the tower, None without one. ``hidden`` is the width of the text model.

    What a tower has beside its layers depends on its class; where that is not known the number of
    its parameters is None, and headers or counts of the Hub must tell.
    """
    declared = next((config[name] for name in _PARTS if isinstance(config.get(name), Mapping)), None)
    if declared is None:
        return None
    table = class_defaults()
    kind = str(declared.get("model_type") or table.vision_types.get(model_type, ""))
    kind = table.vision_types.get(model_type, kind) if kind in (model_type, "") else kind
    # Towers that are described by name ("clip-l-14-224") have objects where others have numbers.
    plain = {name: value for name, value in declared.items() if not isinstance(value, Mapping)}
    fields = Fields((plain,), table.classes.get(kind, {}), is_nested=True)
    tower = VisionTower(
        layers=fields.number("num_hidden_layers", "depth", "layers", limit="layers"),
        hidden=fields.number("embed_dim", "hidden_size", "width")
        if model_type == "qwen2_vl"
        else fields.number("hidden_size", "embed_dim", "width"),
        heads=fields.number("num_attention_heads", "num_heads", "heads", "attention_heads", limit="heads"),
        intermediate=_intermediate(fields, model_type),
    )
    return VisionTower(
        tower.layers, tower.hidden, tower.heads, tower.intermediate, _count(tower, fields, model_type, kind, hidden)
    )


def _intermediate(fields: Fields, model_type: str) -> int | None:
    stated = fields.number("intermediate_size")
    ratio = fields.get("mlp_ratio")
    width = fields.number("embed_dim" if model_type == "qwen2_vl" else "hidden_size")
    if stated is None and isinstance(ratio, int | float) and width:
        return int(width * ratio)
    return stated


def _count(tower: VisionTower, fields: Fields, model_type: str, kind: str, hidden: int) -> int | None:
    """Return the elements of tower and projector; None where the class is not known here."""
    layers, width, inner = tower.layers, tower.hidden, tower.intermediate
    if layers is None or width is None or inner is None:
        return None
    gated = kind in _GATED or model_type in ("qwen2_5_vl", "pixtral")
    matrices = 4 * width * width + (3 if gated else 2) * width * inner
    vectors = 4 * width + (2 * inner if gated else inner) + width + 4 * width
    body = layers * (matrices + vectors)
    if model_type in _QWEN:
        return body + _qwen_ends(fields, model_type, width, hidden)
    if model_type == "gemma3":
        return body + _conv(fields, 1) * width + _places(fields) * width + 3 * width + width * hidden + width
    if model_type in ("mistral3", "pixtral"):
        merges = (fields.number("spatial_merge_size") or 2) > 1 if model_type == "mistral3" else _merges(fields)
        merged = 4 * width * width if merges else 0
        body = layers * (matrices + 2 * width)
        return body + _conv(fields, 1) * width + merged + width * hidden + hidden * hidden + 2 * width
    return None


def _merges(fields: Fields) -> bool:
    """Whether the projector in Mistral's own format merges patches first."""
    return bool(fields.get("mm_projector_id") == "patch_merge")


def _conv(fields: Fields, frames: int) -> int:
    patch = fields.number("patch_size", "spatial_patch_size") or 14
    return frames * 3 * patch * patch


def _places(fields: Fields) -> int:
    image, patch = fields.number("image_size") or 896, fields.number("patch_size") or 14
    return int(prod((image // patch, image // patch)))


def _qwen_ends(fields: Fields, model_type: str, width: int, hidden: int) -> int:
    """Return the elements of the patch embedding, the learned positions and the mergers."""
    merge = (fields.number("spatial_merge_size") or 2) ** 2
    out = fields.number("out_hidden_size") or hidden
    if model_type == "qwen2_vl":
        out = fields.number("hidden_size") or hidden  # the width of the text model; the tower's own is embed_dim
    merged = merge * width
    merger = merged * merged + merged + merged * out + out + 2 * width
    total = _conv(fields, fields.number("temporal_patch_size") or 2) * width + merger
    if model_type.startswith("qwen3"):
        total += width + (fields.number("num_position_embeddings") or 2304) * width
        extra = fields.items("deepstack_visual_indexes") if model_type.startswith("qwen3_vl") else None
        total += len(extra or []) * (merged * merged + merged + merged * out + out + 2 * merged)
    return total
