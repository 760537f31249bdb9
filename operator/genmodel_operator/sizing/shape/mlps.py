"""The MLP of each layer: dense, or a mixture of experts."""

from dataclasses import dataclass, field
from typing import Any

from genmodel_operator.sizing.shape import kinds
from genmodel_operator.sizing.shape.fields import Fields, contradiction, invalid, whole
from genmodel_operator.sizing.shape.mixers import HEADS, HIDDEN
from genmodel_operator.sizing.shape.model import DenseMLP, Mixture

_DENSE = (
    "intermediate_size_mlp",
    "intermediate_size",
    "block_ff_dim",
    "ffn_hidden_size",
    "ffn_dim",
    "n_inner",
    "ff_intermediate_size",
)
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_PER_TOKEN = (
    "num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk", "moe_top_k", "moe_k",
)  # fmt: skip
_STEPS = ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval")
_EXPERT_SIZE = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size")

_TWO_MATRICES = frozenset({
    "albert", "apertus", "arcee", "bert", "bloom", "camembert", "distilbert", "ernie", "falcon", "gpt2", "gpt_bigcode",
    "gpt_neox", "gptj", "jais2", "mpt", "nemotron", "nemotron_h", "opt", "persimmon", "phi", "roberta", "starcoder2",
    "xlm-roberta", "xlm-roberta-xl",
})  # fmt: skip
"""Types whose MLP has no gate."""

_FOURFOLD = frozenset({"bloom", "falcon", "gpt2", "gpt_bigcode", "gptj", "mpt"})
"""Types whose MLP is four times the hidden size where the configuration is silent: the class computes it."""


@dataclass(slots=True)
class MLPReader:
    """Reads MLPs and remembers which size the configuration does not give."""

    fields: Fields
    model_type: str
    layers: int
    unknown: set[str] = field(default_factory=set)

    def read(self) -> list[DenseMLP | Mixture | None]:
        """Return the MLP of each layer; raises ``Unsizable`` for values that cannot be."""
        experts = self._experts()
        sparse = self._sparse_layers(experts)
        mixture = self._mixture(experts) if any(sparse) else None
        dense = [self._dense(index) if not sparse[index] else None for index in range(self.layers)]
        return [mixture if sparse[index] else dense[index] for index in range(self.layers)]

    def _one_each(self, listed: list[Any], name: str) -> list[Any]:
        """Return a list with an entry for each layer; those of drafting layers may follow."""
        if len(listed) < self.layers:
            raise contradiction(f"{name} describes {len(listed)} layers, and there are {self.layers}")
        return listed[: self.layers]

    def _experts(self) -> int:
        declared = self.fields.get(*_EXPERTS) or self.fields.mapping("ffn_config").get("moe_num_experts")
        if isinstance(declared, list):
            declared = declared[0] if declared else 0
        return whole(declared, self.fields.name_of(*_EXPERTS), limit="heads", least=0) if declared else 0

    def _sparse_layers(self, experts: int) -> list[bool]:
        """Return for each layer whether it is a mixture, from whichever rule the configuration has."""
        fields = self.fields
        letters = kinds.block_letters(fields)
        if letters is not None:
            return [letter == "E" for letter in letters]
        blocks = fields.items("layers_block_type")
        if blocks and {"moe", "mlp"} & set(blocks):
            return [block == "moe" for block in blocks]
        return self._sparse_by_rule() if experts else [False] * self.layers

    def _sparse_by_rule(self) -> list[bool]:
        fields = self.fields
        listed = fields.items("mlp_layer_types") or self._class_pattern()
        if listed:
            return [kind != "dense" for kind in self._one_each(listed, "mlp_layer_types")]
        every = fields.get("moe_layer_freq")
        if isinstance(every, list):
            return [bool(value) for value in self._one_each(every, "moe_layer_freq")]
        return [self._is_sparse(index) for index in range(self.layers)]

    def _class_pattern(self) -> list[str] | None:
        pattern = self.fields.defaults.get("mlp_layer_types_pattern")
        return [pattern[index % len(pattern)] for index in range(self.layers)] if pattern else None

    def _is_sparse(self, index: int) -> bool:
        fields = self.fields
        named = fields.get("moe_layers_enum")
        if isinstance(named, str) and named:
            return str(index) in named.split(",")
        if fields.says("moe_layers"):
            return index in (fields.items("moe_layers") or [])
        return index not in (fields.items("mlp_only_layers") or []) and self._is_sparse_by_rule(index)

    def _is_sparse_by_rule(self, index: int) -> bool:
        fields = self.fields
        first = fields.number("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", least=0) or 0
        last = fields.number("moe_layer_end_index", least=-1)
        if index < first or (last not in (None, -1) and index > (last or 0)):
            return False
        period = fields.number("expert_layer_period")
        if period:
            return index % period == (fields.number("expert_layer_offset", least=0) or 0)
        if any((index + 1) % (fields.number(name) or 1) for name in _STEPS):
            return False
        return index % (fields.number("moe_layer_freq") or 1) == 0

    def _dense(self, index: int) -> DenseMLP | None:
        fields = self.fields
        if _is_alone(fields, index):
            return None
        names = _DENSE if fields.says("intermediate_size_mlp") or self._experts() else _DENSE[1:]
        size = fields.believable(*names)
        if isinstance(size, list):
            size = size[index] if index < len(size) else None
        if self.model_type.startswith("granitemoehybrid") and not self._experts():
            size = fields.get("shared_intermediate_size")
        if size is None:
            size = self._silent(names)
        width = self._adjusted(whole(size, fields.name_of(*names), least=0), index)
        return DenseMLP(width // 2 if self.model_type == "qwen" else width, gated=self.is_gated)

    def _adjusted(self, width: int, index: int) -> int:
        """Return the width that the class makes of the stated one in a layer."""
        fields = self.fields
        shared = fields.number("num_kv_shared_layers", least=0) or 0
        if fields.flag("use_double_wide_mlp") and index >= self.layers - shared > 0:
            return 2 * width
        if self.model_type == "lfm2" and fields.flag("block_auto_adjust_ff_dim", otherwise=True):
            multiplier, step = fields.get("block_ffn_dim_multiplier"), fields.number("block_multiple_of") or 256
            scaled = int((multiplier if isinstance(multiplier, int | float) else 1.0) * int(2 * width / 3))
            return -(-scaled // step) * step
        return width

    def _beside(self) -> int:
        """Return the width of the dense MLPs that a layer has beside its mixture, together."""
        fields = self.fields
        if fields.flag("enable_moe_block"):
            return fields.required("intermediate_size")
        if self.model_type == "longcat_flash":
            return 2 * fields.required("ffn_hidden_size")
        return fields.size(*HIDDEN) if fields.flag("parallel_attn_mlp_res") else 0

    def _silent(self, names: tuple[str, ...]) -> int:
        if self.model_type in _FOURFOLD:
            ratio = self.fields.number("expansion_ratio") or 4
            return ratio * self.fields.size(*HIDDEN)
        self.unknown.add(names[0] if names[0] != "intermediate_size_mlp" else "intermediate_size")
        return 0

    @property
    def is_gated(self) -> bool:
        """Whether the MLP has a gate matrix."""
        return self.model_type not in _TWO_MATRICES

    def _mixture(self, experts: int) -> Mixture:
        fields = self.fields
        per_token = fields.get(*_PER_TOKEN) or fields.mapping("ffn_config").get("moe_top_k")
        if isinstance(per_token, list):
            per_token = max((whole(one, fields.name_of(*_PER_TOKEN)) for one in per_token), default=1)
        chosen = whole(per_token, fields.name_of(*_PER_TOKEN)) if per_token else self._unknown("num_experts_per_tok")
        if chosen > experts:
            raise contradiction(
                f"{fields.name_of(*_PER_TOKEN)} is {chosen}, more than the {experts} experts that there are"
            )
        width = self._expert_width()
        return Mixture(
            experts=experts,
            experts_per_token=chosen,
            intermediate=width,
            shared_intermediate=self._shared(width),
            gated=self.is_gated,
            latent=fields.number("moe_latent_size"),
            bias=self.model_type == "gpt_oss",
            dense_intermediate=self._beside(),
        )

    def _unknown(self, name: str) -> int:
        self.unknown.add(name)
        return 0

    def _expert_width(self) -> int:
        fields = self.fields
        size = fields.believable(*_EXPERT_SIZE) or fields.mapping("ffn_config").get("ffn_hidden_size")
        if isinstance(size, list):
            size = size[0] if size else None
        if size is None and not fields.says(*_EXPERT_SIZE):
            size = fields.believable("intermediate_size", "ffn_hidden_size")
        if size is None:
            return self._unknown("moe_intermediate_size")
        if isinstance(size, list):
            raise invalid("intermediate_size", size, "one number for all experts")
        return whole(size, fields.name_of(*_EXPERT_SIZE))

    def _shared(self, width: int) -> int:
        """Return the width of all shared experts together."""
        fields = self.fields
        if self.model_type.startswith("llama4"):
            return width  # one shared expert of the size of the others, without a field that says so
        single = fields.number("moe_shared_expert_intermediate_size", least=0)
        count = fields.get("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
        if isinstance(count, list):
            count = count[0] if count else 0
        total = fields.get(
            "shared_expert_intermediate_size", "shared_intermediate_size", "share_expert_dim", "share_expert_dims"
        )
        if isinstance(total, int) and not isinstance(total, bool) and not single:
            return whole(total, "shared_expert_intermediate_size", least=0)
        return whole(count, "n_shared_experts", least=0) * (single or width) if count else 0


def _is_alone(fields: Fields, index: int) -> bool:
    """Whether the layer is a mixer without an MLP: hybrids whose layers have one part each."""
    letters = kinds.block_letters(fields)
    if letters is not None:
        return letters[index] != "-"
    blocks = fields.items("layers_block_type")
    if blocks and {"moe", "mlp"} & set(blocks):
        return bool(blocks[index] != "mlp")
    return bool(fields.get("state_size")) and not fields.says(*HEADS)
