"""The activation peak against what servers logged, and its behaviour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.sizing.budget.activation import activation_bytes, expert_workspace_bytes
from genmodel_operator.sizing.shape.model import EncoderAttention, Layer, Mixture, ModelShape, Quantization, VisionTower
from genmodel_operator.sizing.tensors.model import Layout
from tests.builders_budget import GIB, a_shape, mxfp4, qwen3_30b, settings

LLAMA_8B = a_shape()
LLAMA_70B = a_shape(hidden=8192, intermediate=28672, layers=80, heads=64)
QWEN3_8B = a_shape(intermediate=12288, layers=36, vocab=151936)
QWEN3_32B = a_shape(hidden=5120, intermediate=25600, layers=64, heads=64, vocab=151936)
CODE_LLAMA_7B = a_shape(intermediate=11008, kv_heads=32, vocab=32016)
GEMMA_2_9B = a_shape(hidden=3584, intermediate=14336, layers=42, heads=16, head_dim=256, vocab=256000)
QWEN_25_05B = a_shape(hidden=896, intermediate=4864, layers=24, heads=14, kv_heads=2, head_dim=64, vocab=151936)
TP2, TP4, PP2 = Layout(tensor_parallel=2), Layout(tensor_parallel=4), Layout(pipeline_parallel=2)


@pytest.mark.parametrize(
    ("shape", "version", "options", "want_gib"),
    [
        pytest.param(LLAMA_8B, "0.19.0", {}, 1.89, id="gt086 the sampler decides"),
        pytest.param(LLAMA_8B, "0.19.0", {"element_bytes": 4}, 2.21, id="gt090 float32"),
        pytest.param(LLAMA_8B, "0.19.0", {"layout": TP4}, 1.89, id="gt099 not divided by tensor parallel"),
        pytest.param(LLAMA_70B, "0.19.0", {"layout": TP2}, 1.96, id="gt072"),
        pytest.param(QWEN3_8B, "0.19.0", {}, 2.21, id="gt121"),
        pytest.param(GEMMA_2_9B, "0.19.0", {}, 3.65, id="gt077 a large vocabulary"),
        pytest.param(CODE_LLAMA_7B, "0.19.0", {}, 0.77, id="gt070 the layers decide"),
        pytest.param(mxfp4(), "0.19.0", {}, 2.87, id="gt108 no expert workspace with MXFP4"),
        pytest.param(qwen3_30b(), "0.19.0", {}, 2.68, id="gt120 with expert workspace"),
        pytest.param(LLAMA_8B, "0.11.0", {}, 4.76, id="gt142 while top-k was sorted"),
        pytest.param(QWEN3_32B, "0.11.0", {"layout": TP2}, 5.64, id="gt145"),
        pytest.param(mxfp4(), "0.11.0", {}, 7.38, id="gt139"),
        pytest.param(qwen3_30b(), "0.13.0", {}, 5.58, id="gt191 no lasting workspace yet"),
        pytest.param(QWEN3_8B, "0.10.2", {"max_num_seqs": 256, "max_num_batched_tokens": 2048}, 1.40, id="gt029"),
        pytest.param(QWEN_25_05B, "0.27.0", {"max_num_seqs": 256}, 0.31, id="gt061 the second runner"),
    ],
)
def test_logged_peaks(shape: ModelShape, version: str, options: dict[str, object], want_gib: float) -> None:
    got = activation_bytes(shape, settings(version, **options), stage=0)  # type: ignore[arg-type]
    assert got / GIB == pytest.approx(want_gib, abs=0.045)


def test_the_first_pipeline_stage_samples_nothing() -> None:
    first, last = (activation_bytes(LLAMA_8B, settings(layout=PP2), stage=stage) for stage in (0, 1))
    assert first / GIB == pytest.approx(1.1, abs=0.05)  # gt096
    assert last / GIB == pytest.approx(1.89, abs=0.045)


def test_it_does_not_depend_on_how_weights_are_stored() -> None:
    eight_bit = a_shape(quantization=Quantization(method="fp8", bits=8))
    assert activation_bytes(eight_bit, settings(), stage=0) == activation_bytes(LLAMA_8B, settings(), stage=0)


def test_fewer_requests_give_memory_back() -> None:
    many, few = (
        activation_bytes(LLAMA_8B, settings("0.11.0", max_num_seqs=count, max_num_batched_tokens=2048), stage=0)
        for count in (256, 64)
    )
    assert (many - few) / GIB == pytest.approx(0.88, abs=0.05)


def test_a_model_that_samples_nothing() -> None:
    layer = Layer(mixer=EncoderAttention(heads=16, kv_heads=16, head_dim=64), mlp=LLAMA_8B.layers[0].mlp)
    encoder = ModelShape(
        architecture="BertModel",
        model_type="bert",
        dtype="float32",
        hidden=1024,
        vocab=30522,
        tied_embeddings=True,
        layers=(layer,),
        max_positions=512,
    )
    assert activation_bytes(encoder, settings(max_num_batched_tokens=512), stage=0) < 0.1 * GIB


def test_images_are_held() -> None:
    tower = VisionTower(layers=27, hidden=1152, heads=16, intermediate=4304)
    seeing = a_shape(vision=tower, is_multimodal=True)
    extra = activation_bytes(seeing, settings(), stage=0) - activation_bytes(LLAMA_8B, settings(), stage=0)
    assert 0.1 * GIB < extra < 0.2 * GIB


def test_a_wide_tower_can_decide() -> None:
    tower = VisionTower(layers=40, hidden=8192, heads=64, intermediate=None)
    seeing = a_shape(vision=tower, is_multimodal=True)
    assert activation_bytes(seeing, settings(max_num_seqs=1), stage=0) > 4 * GIB


def test_sizes_of_the_workspace() -> None:
    assert expert_workspace_bytes(LLAMA_8B, settings()) == 0
    assert expert_workspace_bytes(qwen3_30b(), settings()) == 8192 * 8 * (2048 + 2048) * 2
    # Slices of 192: the hidden state is the wider of both.
    assert expert_workspace_bytes(qwen3_30b(), settings(layout=TP4)) == 8192 * 8 * (2048 + 2048) * 2
    replicas = Layout(data_parallel=2, expert_parallel=True)
    assert expert_workspace_bytes(qwen3_30b(), settings(layout=replicas)) == 2 * 8192 * 8 * (2048 + 2048) * 2


def test_experts_of_a_narrow_input() -> None:
    mixture = Mixture(experts=8, experts_per_token=2, intermediate=512, latent=256, gated=False)
    assert expert_workspace_bytes(a_shape(mixture=mixture), settings()) == 8192 * 2 * (512 + 512) * 2


@given(
    requests=st.integers(1, 4096),
    more_requests=st.integers(0, 4096),
    tokens=st.integers(1, 32768),
    more_tokens=st.integers(0, 32768),
    version=st.sampled_from(["0.8.5", "0.11.0", "0.19.0", "0.26.0", "0.32.0"]),
)
def test_larger_steps_never_need_less(
    requests: int, more_requests: int, tokens: int, more_tokens: int, version: str
) -> None:
    small = settings(version, max_num_seqs=requests, max_num_batched_tokens=tokens)
    large = settings(version, max_num_seqs=requests + more_requests, max_num_batched_tokens=tokens + more_tokens)
    for shape in (LLAMA_8B, qwen3_30b()):
        assert activation_bytes(shape, large, stage=0) >= activation_bytes(shape, small, stage=0)
