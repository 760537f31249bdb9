"""What must hold for every model and every layout."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout
from genmodel_operator.sizing.tensors.table import allocated, stage_layers
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import (
    DEEPSEEK_V3,
    GEMMA3_27B,
    GPT_OSS_20B,
    LLAMA_8B,
    PHI_4,
    QWEN2_7B,
    QWEN3_5_27B,
    QWEN3_30B_A3B,
    with_scheme,
)

CONFIGS = [
    LLAMA_8B, PHI_4, QWEN2_7B, QWEN3_30B_A3B, QWEN3_5_27B, DEEPSEEK_V3, GEMMA3_27B, GPT_OSS_20B,
    with_scheme(LLAMA_8B, num_bits=8), with_scheme(LLAMA_8B, num_bits=4, group_size=128, strategy="group"),
]  # fmt: skip
SHAPES = [read_shape(config) for config in CONFIGS]
TABLES = [read_weights(shape) for shape in SHAPES]
EVERY = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
models = st.integers(0, len(SHAPES) - 1)
powers = st.sampled_from([1, 2, 4, 8, 16])
stages = st.integers(1, 8)


@given(model=models, small=powers, large=powers, pipeline=stages, expert_parallel=st.booleans())
@EVERY
def test_tensor_parallelism_never_adds_to_a_device(
    model: int, small: int, large: int, pipeline: int, expert_parallel: bool
) -> None:
    assume(small <= large)
    layouts = [Layout(size, pipeline, expert_parallel=expert_parallel) for size in (small, large)]
    assume(all(why_invalid_layout(SHAPES[model], layout) is None for layout in layouts))
    fewer, more = (TABLES[model].on_device(layout) for layout in layouts)
    assert more.total_bytes <= fewer.total_bytes


@given(model=models, tensor=powers, few=stages, many=stages)
@EVERY
def test_more_stages_never_add_to_the_largest_device(model: int, tensor: int, few: int, many: int) -> None:
    assume(few <= many and why_invalid_layout(SHAPES[model], Layout(tensor, many)) is None)
    assume(not SHAPES[model].tied_embeddings)  # a tied table is held at both ends, so a second stage may add to one
    table = TABLES[model]
    assert table.on_device(Layout(tensor, many)).total_bytes <= table.on_device(Layout(tensor, few)).total_bytes


@given(model=models, tensor=powers, pipeline=stages)
@EVERY
def test_stages_hold_the_layers_of_the_whole_once(model: int, tensor: int, pipeline: int) -> None:
    assume(why_invalid_layout(SHAPES[model], Layout(tensor, pipeline)) is None)
    shape, table = SHAPES[model], TABLES[model]
    alone = table.on_device(Layout(tensor)).total_bytes
    split = sum(stage.total_bytes for stage in table.on_device(Layout(tensor, pipeline)).stages)
    assert split >= alone
    repeated = (pipeline - 1) * (alone - _sum_of_layers(model, tensor))
    assert split <= alone + repeated + (0 if not shape.tied_embeddings else alone)


def _sum_of_layers(model: int, tensor: int) -> int:
    """Return the bytes of the layers without what is at the ends of the model."""
    table = TABLES[model]
    bare = type(table)(table.kinds, table.layers, (), (), ())
    return bare.on_device(Layout(tensor)).total_bytes


@given(layers=st.integers(1, 200), pipeline=st.integers(1, 64))
@EVERY
def test_every_layer_is_on_one_stage(layers: int, pipeline: int) -> None:
    assume(pipeline <= layers)
    ranges = stage_layers(layers, pipeline)
    assert [index for start, end in ranges for index in range(start, end)] == list(range(layers))
    sizes = [end - start for start, end in ranges]
    assert max(sizes) - min(sizes) <= 1


@given(small=st.integers(0, 1 << 34), more=st.integers(0, 1 << 34))
@EVERY
def test_the_allocator_counts_at_least_the_tensor_and_never_less_for_a_larger_one(small: int, more: int) -> None:
    assert small <= allocated(small) <= small + (1 << 20)
    assert allocated(small) <= allocated(small + more)
