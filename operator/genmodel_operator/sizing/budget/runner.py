"""Which of the engine's two model runners serves a model: they profile the sampler and graphs differently."""

from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Mamba2, Mixture, ModelShape


def has_experts(shape: ModelShape) -> bool:
    """Whether any layer is a mixture of experts."""
    return any(isinstance(layer.mlp, Mixture) for layer in shape.kinds_of_layers)


def has_state(shape: ModelShape) -> bool:
    """Whether any layer keeps a state of constant size per request."""
    return any(isinstance(layer.mixer, GatedDeltaNet | Mamba2) for layer in shape.kinds_of_layers)


def uses_second_runner(shape: ModelShape, release: Release) -> bool:
    """Whether Model Runner V2 is the default: for dense models from 0.25 on (PR 44443), for all from 0.29 on."""
    return release.since(29) or (release.since(25) and not has_experts(shape) and not has_state(shape))


def samples(shape: ModelShape) -> bool:
    """Whether the model yields tokens; embedding and classification models run no sampler."""
    return not shape.architecture.endswith(
        ("Model", "ForSequenceClassification", "ForMaskedLM", "ForTokenClassification")
    )
