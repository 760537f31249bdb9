"""From ``config.json`` to the shape of the model: the one place that reads configurations."""

import re
from collections.abc import Mapping
from typing import Any

from genmodel_operator.sizing.shape.blocks import read_blocks
from genmodel_operator.sizing.shape.defaults import defaults_of, text_type_of, type_of
from genmodel_operator.sizing.shape.engine import engine_names
from genmodel_operator.sizing.shape.fields import INVALID, MISSING, Fields, invalid, missing
from genmodel_operator.sizing.shape.kinds import count_layers, layer_kinds
from genmodel_operator.sizing.shape.mixers import HIDDEN, read_mixers
from genmodel_operator.sizing.shape.mlps import MLPReader
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Layer, Mamba2, ModelShape, Unsizable
from genmodel_operator.sizing.shape.quantization import read_quantization
from genmodel_operator.sizing.shape.rotary import read_positions, read_tables
from genmodel_operator.sizing.shape.vision import read_vision

_TEXT_PARTS = ("text_config", "llm_config", "language_config", "language_model_config", "thinker_config")
_TOWERS = ("vision_config", "audio_config", "vit_config", "sound_config", "speech_config", "vision_tower_config")
_DRAFTS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "mtp_num_layers", "n_predict")
_DTYPES = {"bfloat16": "bfloat16", "float16": "float16", "half": "float16", "float32": "float32", "float": "float32"}
_WRAPPED = ("ForSequenceClassification", "ForTokenClassification", "ForRewardModel", "EmbeddingModel", "Model")
"""Endings that the engine serves with the generating class of the same name."""

_TYPES = {
    # Classes of the engine that Transformers does not know, by the type whose layout they share.
    "BaichuanForCausalLM": "baichuan", "BaiChuanForCausalLM": "baichuan", "ChatGLMModel": "chatglm",
    "ChatGLMForConditionalGeneration": "chatglm", "DeciLMForCausalLM": "nemotron-nas",
    "DeepseekV32ForCausalLM": "deepseek_v32", "DeepseekV4ForCausalLM": "deepseek_v4",
    "InternLM2ForCausalLM": "internlm2",
    "InternLM3ForCausalLM": "internlm3", "MistralLarge3ForCausalLM": "deepseek_v3", "Phi3SmallForCausalLM": "phi3small",
    "NemotronH_Nano_VL_V2": "nemotron_h", "Phi3VForCausalLM": "phi3_v", "QWenLMHeadModel": "qwen",
    "XverseForCausalLM": "xverse",
}  # fmt: skip

_PARALLEL = frozenset({"falcon_h1", "zamba2", "plamo2"})
"""Types whose layers have attention and a state space side by side."""

_COMPRESSED = ("deepseek_v4", "deepseek_v41")
"""Types of compressed attention; the engine reads the ratio of each layer from the configuration alone."""

_ENCODER_DECODERS = frozenset({"bart", "mbart", "t5", "whisper", "florence2", "nemotron_asr", "cohere_asr", "pegasus"})

_OF_STATES = re.compile(
    r"^(ssm_|rwkv|lru_|mamba_|kda_|lightning|retention|linear_(num|key|value|conv)_|recurrent_|conv_L)"
)
"""Fields of layers that keep a state. Where one is set and no layer has a state, something was not understood."""


def read_shape(config: Mapping[str, Any], *, has_tensors: bool = False) -> ModelShape:
    """Return the shape that a ``config.json`` describes.

    ``has_tensors``: the headers of the files are known, so that sizes which only the weights need may
    be absent without a word. Raises ``Unsizable`` where the configuration is silent on something that
    decides the cache, contradicts itself, or is of an architecture that is not known.
    """
    if not isinstance(config, Mapping):
        raise Unsizable(INVALID, "config.json is not a JSON object")
    architecture = read_architecture(config)
    outer, text = _parts(config)
    model_type = _model_type(outer, architecture)
    if not model_type:
        raise missing("model_type")
    text_type = _text_type(text, model_type, architecture)
    _refuse_unlike(text_type)
    is_nested = text is not config or "nested_under" in config
    fields = Fields(
        (text, outer) if text is not outer else (outer,), _defaults(model_type, text_type), is_nested=is_nested
    )
    layers, unknown = _layers(fields, text_type)
    hidden = fields.size(*HIDDEN)
    vocab = fields.number("vocab_size", "padded_vocab_size")
    towers = [name for name in _TOWERS if isinstance(outer.get(name), Mapping)]
    absent = sorted({*unknown, *([] if vocab else ["vocab_size"])})
    return ModelShape(
        architecture=architecture,
        model_type=model_type,
        dtype=read_dtype(config, text),
        hidden=hidden,
        vocab=vocab or 0,
        tied_embeddings=fields.flag("tie_word_embeddings"),
        layers=layers,
        max_positions=read_positions(fields, text_type),
        rotary=read_tables(fields, text_type, [layer.mixer for layer in layers], outer_type=model_type),
        quantization=read_quantization(config, text, model_type),
        vision=read_vision(outer, model_type, hidden),
        draft_layers=fields.number(*_DRAFTS, least=0, limit="layers") or 0,
        attention_bias=_attention_bias(fields, text_type),
        mlp_bias=_mlp_bias(fields, text_type),
        query_norm=_query_norm(fields, text_type),
        is_multimodal=bool(towers) or engine_names().categories.get(architecture) == "multimodal",
        learned_positions=_learned_positions(fields, text_type),
        norms=4 if text_type.startswith(("gemma2", "gemma3", "gemma4")) else 2,
        per_layer_vocab=(fields.number("vocab_size_per_layer_input") or 0) if _has_layer_inputs(fields) else 0,
        per_layer_width=(fields.number("hidden_size_per_layer_input", least=0) or 0)
        if _has_layer_inputs(fields)
        else 0,
        unknown=tuple(absent),
    )


def read_architecture(config: Mapping[str, Any]) -> str:
    """Return ``architectures[0]``; raises ``Unsizable`` where it is missing or unknown to the engine."""
    declared = config.get("architectures")
    if declared is None:
        raise Unsizable(
            MISSING, "config.json has no architectures; without it the engine does not know the model: add it"
        )
    if not isinstance(declared, list) or not declared or not isinstance(declared[0], str):
        raise invalid("architectures", declared, "a list of names")
    name = declared[0]
    table = engine_names()
    known = {**table.categories, **table.removed}
    alike = [name.removesuffix(ending) + "ForCausalLM" for ending in _WRAPPED if name.endswith(ending)]
    if name not in known and not any(other in known for other in alike):
        raise Unsizable("UnsupportedArchitecture", f"{name} is not known to vLLM {table.version}")
    if table.categories.get(name) == "draft":
        raise Unsizable("UnsupportedArchitecture", f"{name} is a draft model and is not served alone")
    return name


def read_dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    """Return the type of the weights; bfloat16 where the configuration is silent."""
    for source in (config, text):
        for name in ("dtype", "torch_dtype"):
            declared = source.get(name)
            if declared in (None, "auto"):
                continue
            found = _DTYPES.get(str(declared).removeprefix("torch."))
            if found is None:
                raise invalid(name, declared, "bfloat16, float16 or float32")
            return found
    return "bfloat16"


def served_dtype(shape: ModelShape) -> str:
    """Return what the engine serves for ``--dtype auto``: float32 is too wide for it unless it is an encoder."""
    return "bfloat16" if shape.dtype == "float32" else shape.dtype


def _parts(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the configuration that has the towers, and the one of the text model."""
    outer = config
    thinker = config.get("thinker_config")
    if isinstance(thinker, Mapping):
        outer = thinker
    for name in _TEXT_PARTS:
        if name in outer and not isinstance(outer[name], Mapping | None):
            raise invalid(name, outer[name], "an object")
    text = next((outer[name] for name in _TEXT_PARTS if isinstance(outer.get(name), Mapping)), outer)
    return outer, text


def _model_type(outer: Mapping[str, Any], architecture: str) -> str:
    declared = outer.get("model_type")
    if declared is not None and not isinstance(declared, str):
        raise invalid("model_type", declared, "a name")
    return declared or _TYPES.get(architecture) or type_of(architecture) or _type_of_wrapped(architecture)


def _type_of_wrapped(architecture: str) -> str:
    bases = (architecture.removesuffix(ending) + "ForCausalLM" for ending in _WRAPPED if architecture.endswith(ending))
    return next((found for base in bases if (found := _TYPES.get(base) or type_of(base))), "")


def _text_type(text: Mapping[str, Any], model_type: str, architecture: str) -> str:
    """Return the type of the text part, which names the layout of the layers."""
    declared = text.get("text_model_type") or text.get("model_type")
    if isinstance(declared, str) and declared != model_type:
        return declared
    by_class = _TYPES.get(architecture)
    return by_class if by_class in ("deepseek_v3", "deepseek_v4") else text_type_of(model_type)


def _defaults(model_type: str, text_type: str) -> Mapping[str, Any]:
    return {**defaults_of(model_type), **defaults_of(text_type)}


def _refuse_unlike(text_type: str) -> None:
    """Refuse types whose layers are of a form that the shape does not have."""
    if text_type in _PARALLEL:
        raise Unsizable(
            "UnsupportedArchitecture",
            f"the layers of {text_type} have attention and a state side by side, not computed",
        )
    if text_type in _ENCODER_DECODERS:
        raise Unsizable(
            "UnsupportedArchitecture", f"{text_type} is an encoder with a decoder, whose cache is not computed"
        )


def _layers(fields: Fields, text_type: str) -> tuple[tuple[Layer, ...], set[str]]:
    """Return the layers, and the sizes that the configuration does not give."""
    if text_type == "nemotron-nas":
        return read_blocks(fields), set()
    if text_type in _COMPRESSED and not fields.says("compress_ratios"):
        raise missing("compress_ratios")
    count = count_layers(fields)
    drafts = fields.number(*_DRAFTS, least=0, limit="layers") or 0
    mixers = read_mixers(fields, text_type, layer_kinds(fields, count, drafts))
    _refuse_foreign(fields, mixers)
    reader = MLPReader(fields, text_type, count)
    mlps = reader.read()
    shared = fields.number("num_kv_shared_layers", least=0) or 0
    return tuple(_with_sharing(mixers, mlps, shared)), reader.unknown


def _refuse_foreign(fields: Fields, mixers: list[Any]) -> None:
    """Refuse a configuration that speaks of states though none of its layers was found to have one."""
    if any(isinstance(mixer, GatedDeltaNet | Mamba2) for mixer in mixers):
        return
    said = next((name for part in fields.parts for name in part if _OF_STATES.match(name) and part[name]), None)
    if said is not None:
        raise Unsizable("UnsupportedArchitecture", f"config.json has {said}, and no layer of a kind known here uses it")


def _with_sharing(mixers: list[Any], mlps: list[Any], shared: int) -> list[Layer]:
    """Return the layers; the last ones reuse the cache of the last layer of their kind before them."""
    first = len(mixers) - shared
    layers = []
    for index, (mixer, mlp) in enumerate(zip(mixers, mlps, strict=True)):
        source = None
        if index >= first > 0:
            source = next((i for i in range(first - 1, -1, -1) if mixers[i] == mixer), None)
        layers.append(Layer(mixer, mlp, source))
    return layers


_WITH_BIAS = (
    "bert",
    "bloom",
    "gpt2",
    "gpt_bigcode",
    "gpt_neox",
    "opt",
    "phi",
    "phimoe",
    "qwen",
    "roberta",
    "xlm-roberta",
)
_WITH_BIAS_OF_ANY_KIND = ("qwen2", "starcoder2")
"""Types whose projections have biases without a field that says so."""


def _attention_bias(fields: Fields, text_type: str) -> bool:
    always = text_type in _WITH_BIAS or text_type.startswith(_WITH_BIAS_OF_ANY_KIND)
    return fields.flag("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "use_bias") or always


def _mlp_bias(fields: Fields, text_type: str) -> bool:
    always = text_type in ("gpt2", "opt", "bert", "roberta", "xlm-roberta", "starcoder2", "phi", "gpt_bigcode", "bloom")
    return fields.flag("mlp_bias", otherwise=always)


def _query_norm(fields: Fields, text_type: str) -> bool:
    always = text_type.startswith(("qwen3", "gemma3", "gemma4", "exaone4", "exaone_moe"))
    return fields.flag("use_qk_norm", "qk_layernorm", otherwise=always)


def _learned_positions(fields: Fields, text_type: str) -> int:
    if text_type == "opt":
        return fields.required("max_position_embeddings", limit="positions") + 2
    learned = ("gpt2", "gpt_bigcode", "bert", "roberta", "xlm-roberta", "camembert", "ernie")
    if text_type not in learned:
        return 0
    return (fields.number("max_position_embeddings", "n_positions") or 0) + (
        fields.number("type_vocab_size", least=0) or 0
    )


def _has_layer_inputs(fields: Fields) -> bool:
    return bool(fields.get("hidden_size_per_layer_input"))
