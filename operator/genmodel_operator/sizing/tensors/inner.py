"""The widths that a configuration describes for the matrices of MLPs and experts."""

import re
from dataclasses import dataclass

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import DenseMLP, Layer, Mixture, ModelShape

_DENSE = re.compile(r"\.(?:mlp|feed_forward)\.(gate_proj|up_proj|down_proj|w1|w2|w3|gate_up_proj)\.weight$")
_EXPERT = re.compile(r"\.experts\.\d+\.(gate_proj|up_proj|down_proj|w1|w2|w3)\.weight$")
_FUSED_EXPERTS = re.compile(r"\.experts\.(gate_up_proj|down_proj)(\.weight)?$")
_DOWN = frozenset({"down_proj", "w2"})


@dataclass(frozen=True, slots=True)
class Described:
    """What a configuration says of one matrix; ``is_other``: the matrix is not that; ``words`` for people."""

    is_other: bool
    words: str


def described_widths(shape: ModelShape, layer: Layer, tensor: Tensor) -> Described | None:
    """Return what the configuration describes for a matrix of an MLP or expert, None for all others."""
    if isinstance(layer.mlp, DenseMLP) and (match := _DENSE.search(tensor.name)):
        return _of_dense(shape, layer.mlp, tensor, match[1])
    if isinstance(layer.mlp, Mixture) and layer.mlp.intermediate:
        if match := _EXPERT.search(tensor.name):
            outer = layer.mlp.latent or shape.hidden
            return _of_matrix(tensor, match[1], outer, layer.mlp.intermediate, "moe_intermediate_size")
        if match := _FUSED_EXPERTS.search(tensor.name):
            return _of_experts(shape, layer.mlp, tensor, match[1])
    return None


def _of_dense(shape: ModelShape, mlp: DenseMLP, tensor: Tensor, name: str) -> Described | None:
    width = mlp.intermediate * (2 if name == "gate_up_proj" else 1)
    return _of_matrix(tensor, name, shape.hidden, width, "intermediate_size") if mlp.intermediate else None


def _of_matrix(tensor: Tensor, name: str, outer: int, width: int, field: str) -> Described | None:
    if len(tensor.shape) != 2:
        return None
    wanted = (outer, width) if name in _DOWN else (width, outer)
    return Described(tensor.shape != wanted, f"{list(wanted)} (hidden_size and {field})")


def _of_experts(shape: ModelShape, mixture: Mixture, tensor: Tensor, name: str) -> Described | None:
    """Return what all experts in one tensor have; either side may come first."""
    if len(tensor.shape) != 3:
        return None
    width = mixture.intermediate * (2 if name == "gate_up_proj" and mixture.gated else 1)
    wanted = (mixture.experts, *sorted((mixture.latent or shape.hidden, width)))
    found = (tensor.shape[0], *sorted(tensor.shape[1:]))
    return Described(found != wanted, f"{mixture.experts} experts of {list(wanted[1:])}")
