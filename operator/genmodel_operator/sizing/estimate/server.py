"""A request with every default filled in: what the engine would make of it."""

from dataclasses import dataclass

from genmodel_operator.sizing.budget.defaults import default_memory_utilization, resolve_batch
from genmodel_operator.sizing.budget.device import read_device
from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.estimate.request import EstimateRequest
from genmodel_operator.sizing.server import Server
from genmodel_operator.sizing.shape.model import ModelShape
from genmodel_operator.sizing.shape.read import read_shape, served_dtype
from genmodel_operator.sizing.tensors.model import Layout

GIB = 1024**3


def shape_of(request: EstimateRequest) -> ModelShape:
    """Return the shape of a request's model; raises ``Unsizable``."""
    return read_shape(request.config, has_tensors=request.tensors is not None, release=request.vllm_version)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what the engine makes of it."""

    request: EstimateRequest
    shape: ModelShape
    server: Server
    max_model_len: int


def resolve(request: EstimateRequest, shape: ModelShape) -> Asked:
    """Return the server that a request describes; raises ``Unsizable`` where its release is not known."""
    release = parse_release(request.vllm_version)
    device = read_device(request.gpu_product, int(request.gpu_memory_gib * GIB), request.interconnect)
    max_model_len = request.max_model_len or shape.max_positions
    server = Server(
        release=release,
        device=device,
        dtype=request.dtype or served_dtype(shape),
        quantization=request.quantization,
        layout=Layout(
            tensor_parallel=request.tensor_parallel_size,
            pipeline_parallel=request.pipeline_parallel_size,
            data_parallel=request.data_parallel_size,
            expert_parallel=request.enable_expert_parallel,
        ),
        batch=resolve_batch(
            device,
            release,
            max_model_len=max_model_len,
            max_num_seqs=request.max_num_seqs,
            max_num_batched_tokens=request.max_num_batched_tokens,
        ),
        memory_utilization=request.gpu_memory_utilization or default_memory_utilization(release),
        kv_cache_dtype=request.kv_cache_dtype,
        kv_cache_memory_bytes=request.kv_cache_memory_bytes,
        block_size=request.block_size,
        enforce_eager=request.enforce_eager,
        prefix_caching=request.enable_prefix_caching,
        num_speculative_tokens=request.num_speculative_tokens,
    )
    return Asked(request, shape, server, max_model_len)
