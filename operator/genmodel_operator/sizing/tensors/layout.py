"""Which layouts the engine accepts: its own start-up checks, in its own words where it has some."""

from collections.abc import Iterator

from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    DenseMLP,
    EncoderAttention,
    GatedDeltaNet,
    LatentAttention,
    Mamba2,
    Mixer,
    Mixture,
    ModelShape,
    Quantization,
)
from genmodel_operator.sizing.tensors.model import InvalidLayout, Layout
from genmodel_operator.sizing.tensors.weights import padded_vocab

TENSOR, PIPELINE = "InvalidTensorParallelSize", "InvalidPipelineParallelSize"


def why_invalid_layout(shape: ModelShape, layout: Layout) -> InvalidLayout | None:
    """Return why the engine refuses a layout, None where it accepts it.

    For example phi-4: its 40 heads divide by 4, its 10 key and value heads do not.
    """
    stages = layout.pipeline_parallel
    if stages > len(shape.layers):
        return InvalidLayout(
            PIPELINE,
            f"Number of layers ({len(shape.layers)}) must be at least pipeline parallel size ({stages}).",
        )
    message = next(_objections(shape, layout), None)
    return None if message is None else InvalidLayout(TENSOR, message)


def _objections(shape: ModelShape, layout: Layout) -> Iterator[str]:
    mixtures = {layer.mlp for layer in shape.layers if isinstance(layer.mlp, Mixture)}
    if layout.expert_parallel and not mixtures:
        yield "Number of experts in the model must be greater than 0 when expert parallelism is enabled."
    if layout.expert_parallel:
        yield from _too_few_experts(mixtures, layout)
    tensor_parallel = layout.tensor_parallel
    if tensor_parallel > 1:
        mixers = {layer.mixer for layer in shape.layers if layer.mixer is not None}
        yield from _heads(mixers, tensor_parallel)
        yield from _keys_and_states(mixers, tensor_parallel)
        yield from _tower(shape, tensor_parallel)
        if padded_vocab(shape.vocab) % tensor_parallel:
            rows = padded_vocab(shape.vocab)
            yield f"{rows} rows of the vocabulary are not divisible by tensor parallel size ({tensor_parallel})"
    yield from _widths(shape, mixtures, layout)


def _too_few_experts(mixtures: set[Mixture], layout: Layout) -> Iterator[str]:
    size = layout.tensor_parallel * layout.data_parallel
    for mixture in mixtures:
        if mixture.experts < size:
            yield f"{mixture.experts} experts cannot be dealt out to {size} devices: lower the parallel sizes"


def _heads(mixers: set[Mixer], parallel: int) -> Iterator[str]:
    plain = Attention | LatentAttention | CompressedAttention | CrossAttention | EncoderAttention
    for heads in sorted({mixer.heads for mixer in mixers if isinstance(mixer, plain)}):
        if heads % parallel:
            yield f"Total number of attention heads ({heads}) must be divisible by tensor parallel size ({parallel})."


def _keys_and_states(mixers: set[Mixer], parallel: int) -> Iterator[str]:
    for mixer in mixers:
        match mixer:
            case Attention() | CrossAttention() | EncoderAttention():
                large, small = max(mixer.kv_heads, parallel), min(mixer.kv_heads, parallel)
                if large % small:
                    yield (
                        f"{large} is not divisible by {small}: {mixer.kv_heads} key and value heads can be neither "
                        f"divided nor repeated evenly over tensor parallel size ({parallel})"
                    )
            case CompressedAttention():
                if mixer.output_groups % parallel:
                    groups = mixer.output_groups
                    yield f"{groups} output groups (o_groups) are not divisible by tensor parallel size ({parallel})"
            case GatedDeltaNet():
                for heads, what in ((mixer.value_heads, "value"), (mixer.key_heads, "key")):
                    if heads % parallel:
                        yield f"{heads} linear {what} heads are not divisible by tensor parallel size ({parallel})"
            case Mamba2():
                yield from _state_space(mixer, parallel)


def _state_space(mixer: Mamba2, parallel: int) -> Iterator[str]:
    if mixer.heads % parallel:
        yield f"{mixer.heads} state space heads are not divisible by tensor parallel size ({parallel})"
    if mixer.groups > 1 and mixer.groups % parallel:
        yield f"{mixer.groups} state space groups are not divisible by tensor parallel size ({parallel})"


def _tower(shape: ModelShape, parallel: int) -> Iterator[str]:
    heads = shape.vision.heads if shape.vision is not None else None
    if heads and heads % parallel:
        yield (
            f"{heads} is not divisible by {parallel}: the heads of the vision tower must be divisible by tensor "
            "parallel size; --language-model-only leaves the tower out"
        )


def _widths(shape: ModelShape, mixtures: set[Mixture], layout: Layout) -> Iterator[str]:
    """Yield what is wrong with the slices of MLPs and experts: they must be whole, and hold whole groups."""
    parallel, devices = layout.tensor_parallel, layout.tensor_parallel * layout.data_parallel
    dense = {layer.mlp.intermediate for layer in shape.layers if isinstance(layer.mlp, DenseMLP)}
    dense |= {mixture.shared_intermediate for mixture in mixtures}
    experts = set() if layout.expert_parallel else {mixture.intermediate for mixture in mixtures}
    stored = shape.quantization
    of_experts = stored if stored is None or stored.experts is None else stored.experts
    rounds_up = of_experts is not None and of_experts.method == "mxfp4"
    for sizes, parts, scheme in ((dense, parallel, stored), (set() if rounds_up else experts, devices, of_experts)):
        if parts == 1:
            continue
        for size in sorted(sizes):
            if size % parts:
                yield f"{size} is not divisible by {parts}: an MLP of {size} cannot be divided over {parts} devices"
            elif size:
                yield from _groups(scheme, size // parts, layout)


def _groups(quantization: Quantization | None, slice_width: int, layout: Layout) -> Iterator[str]:
    if quantization is None:
        return
    if quantization.block is not None:
        for side, name in zip(quantization.block, ("block_n", "block_k"), strict=True):
            if slice_width % side:
                yield (
                    f"The output_size of gate's and up's weight = {slice_width} is not divisible by weight "
                    f"quantization {name} = {side}."
                )
    elif quantization.group_size and quantization.bits in (2, 3, 4, 8) and slice_width % quantization.group_size:
        yield (
            f"Weight input_size_per_partition={slice_width} is not divisible by group_size={quantization.group_size}: "
            f"tensor parallel size ({layout.tensor_parallel}) splits groups of quantised weights"
        )
