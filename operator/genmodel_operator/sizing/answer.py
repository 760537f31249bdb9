"""The planner's answer: how a model is served, or why it cannot be."""

from dataclasses import dataclass

from genmodel_operator.sizing.accelerators import Taint


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one device (on CPU: of the container), in GiB; the parts add up to ``total_gib``."""

    total_gib: float
    weights_gib: float
    kv_cache_gib: float
    activation_gib: float
    overhead_gib: float
    margin_gib: float


@dataclass(frozen=True, slots=True)
class RejectedCandidate:
    """A candidate that was not chosen, with one line that says why."""

    product: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """How one replica is served; everything that the engine's flags and the pod's requests need.

    Attributes:
        resource: extended resource, or ``cpu``.
        product: product label, or ``CPU``.
        count: devices per replica; 0 on CPU.
        replicas_fit: replicas that the whole cluster could hold by its capacity.
        tensor_parallel, pipeline_parallel: sizes; 1 on CPU.
        dtype: engine's ``--dtype`` (``bfloat16``, ``float16``, ``float32`` or ``auto`` for stored quantisation).
        max_model_len: tokens per request.
        max_num_seqs, max_num_batched_tokens: the engine's batch limits.
        kv_cache_bytes: KV cache per device in bytes, passed explicitly.
        kv_tokens: tokens that this cache holds, as the engine logs them.
        concurrency: requests of ``max_model_len`` that really fit at once.
        gpu_memory_utilization: the engine's ``--gpu-memory-utilization``; meaningless on CPU.
        memory: where the device's memory goes.
        host_memory_gib: memory request and limit of the server container.
        shm_gib: size of ``/dev/shm``.
        ephemeral_gib: size of the volume for weights.
        node_selector: node labels the pod must be placed by; an empty value: nodes without the label.
        tolerations: taints the pod must tolerate.
        explanation: one paragraph of arithmetic.
        rejected: the other candidates.
        measured: names of the figures that running servers measured; the others are estimated.
        quantization: engine's ``--quantization``; empty: the weights stay as they are stored.
        kv_cache_dtype: engine's ``--kv-cache-dtype``; empty: as the engine decides.

    """

    resource: str
    product: str
    count: int
    replicas_fit: int
    tensor_parallel: int
    pipeline_parallel: int
    dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_cache_bytes: int
    kv_tokens: int
    concurrency: float
    gpu_memory_utilization: float
    memory: Memory
    host_memory_gib: float
    shm_gib: float
    ephemeral_gib: float
    node_selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Taint, ...]
    explanation: str
    rejected: tuple[RejectedCandidate, ...] = ()
    measured: tuple[str, ...] = ()
    quantization: str = ""
    kv_cache_dtype: str = ""

    @property
    def is_gpu(self) -> bool:
        """Whether the plan uses devices."""
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Misfit:
    """Nothing fits.

    ``reason`` is the name of one of: MetadataInvalid (the files are not those of the configuration),
    CacheNotComputable, ContextTooLong, PrecisionNotAvailable, NoFit, NoCandidateNodes. ``values`` are
    the values of that reason's message pattern; for the last two they include ``change``, the
    smallest change that would help.
    """

    reason: str
    values: tuple[tuple[str, str], ...]
    rejected: tuple[RejectedCandidate, ...] = ()
