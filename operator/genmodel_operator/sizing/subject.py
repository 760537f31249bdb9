"""What is to be planned: the model, what the user asked for, and what the platform's team decided."""

from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import GenerativeModelSpec, KVCachePrecision, Precision
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.accelerators import AMD, NVIDIA, NodeGroup, Taint, product_key
from genmodel_operator.sizing.budget.release import Release, parse_release
from genmodel_operator.sizing.corrections import NONE, Corrections, Learnt, Placement
from genmodel_operator.sizing.server import Server, SizedModel
from genmodel_operator.sizing.shape.model import EncoderAttention, ModelShape, Unsizable

TOLERATED_TAINTS = ("nvidia.com/gpu", "amd.com/gpu", "sku=gpu")
"""Taints that clouds and device plugins put on nodes with accelerators, to keep other pods away."""


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """What the platform team decided.

    Attributes:
        engine_version: release of the engine, such as ``0.32.0``.
        cpu_max_model_gib: weights above this are served on CPU only where the user asks for CPU.
        cpu_request_cores: cores that a server on CPU asks for.
        gpu_request_cores: cores that a server on GPUs asks for, per device.
        cpu_architectures: processors that the CPU engine's image is for.
        tolerated_taints: taints, as key or key=value, that mark nodes for accelerator work.
            Nodes with any other taint are reserved for somebody else and left alone.
        gpu_vendors: whose GPUs there is an engine image for.
        allowed_precisions: formats that weights and caches may be narrowed to where a model fits in no
            other way, though its user did not ask for it.
        prices: product and price of one device for one hour, in any currency.

    """

    engine_version: str
    cpu_max_model_gib: float
    cpu_request_cores: float
    gpu_request_cores: float = 2
    cpu_architectures: tuple[str, ...] = ("amd64",)
    tolerated_taints: tuple[str, ...] = TOLERATED_TAINTS
    gpu_vendors: tuple[str, ...] = (NVIDIA,)
    allowed_precisions: tuple[str, ...] = ()
    prices: tuple[tuple[str, float], ...] = ()

    @property
    def release(self) -> Release:
        """Release of the engine; raises ``ValueError`` where the version names none."""
        try:
            return parse_release(self.engine_version)
        except Unsizable as refused:
            raise ValueError(refused.message) from refused

    @property
    def allows_fp8(self) -> bool:
        """Whether weights and caches may be narrowed to FP8 unasked."""
        return Precision.FP8 in self.allowed_precisions

    def hourly_price(self, group: NodeGroup, count: int) -> float | None:
        """Return what so many devices cost for one hour, None where the policy names no price of theirs."""
        key = product_key(group.product)
        found = next((price for product, price in self.prices if product_key(product) == key), None)
        return None if found is None or not count else found * count

    def tolerates(self, taint: Taint) -> bool:
        """Whether a server may be placed on nodes with this taint."""
        return taint.key in self.tolerated_taints or f"{taint.key}={taint.value}" in self.tolerated_taints

    def why_unserved(self, group: NodeGroup) -> str:
        """Return why no model is ever planned on these devices, whatever the model; empty where one may be."""
        if not group.is_gpu or group.refusal or group.vendor in self.gpu_vendors:
            return group.refusal
        served = " and ".join(self.gpu_vendors)
        if group.vendor == AMD:
            return f"the engine image serves {served} GPUs; engines.rocmImage, the image for AMD GPUs, is not set"
        return f"there is an engine image for {served} GPUs, and none for {group.resource}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be planned: the model, what the user asked for, and the platform's policy.

    Attributes:
        model: the model with everything that was computed of it, whatever the wish.
        narrows_weights: the policy's FP8 is taken because nothing fits with the weights as stored.

    """

    facts: ModelFacts
    task: ServedTask
    spec: GenerativeModelSpec
    policy: PlanPolicy
    model: SizedModel
    release: Release
    corrections: Corrections = NONE
    narrows_weights: bool = False

    def learnt(self, group: NodeGroup, served_dtype: str, server: Server) -> Learnt:
        """Return what servers like this candidate measured; ``served_dtype`` as the engine's ``--dtype``."""
        return self.corrections.find(
            Placement(
                product=group.product,
                tensor_parallel=server.layout.tensor_parallel,
                pipeline_parallel=server.layout.pipeline_parallel,
                dtype=served_dtype,
                max_num_seqs=server.batch.max_num_seqs,
                max_num_batched_tokens=server.batch.max_num_batched_tokens,
                quantization=server.quantization or "",
                kv_cache_dtype=server.kv_cache_dtype or "",
            )
        )

    @property
    def shape(self) -> ModelShape:
        """The model's shape."""
        return self.model.shape

    @property
    def keeps_cache(self) -> bool:
        """Whether requests keep anything; encoders see the whole input at once."""
        return any(layer.mixer and not isinstance(layer.mixer, EncoderAttention) for layer in self.shape.layers)

    @property
    def concurrency(self) -> int:
        """Requests of full length that must fit at once."""
        return self.spec.context.concurrency

    @property
    def wants_fp8_cache(self) -> bool:
        """Whether the user asked for a KV cache in FP8."""
        return self.spec.kv_cache_precision is KVCachePrecision.FP8

    @property
    def may_narrow_cache(self) -> bool:
        """Whether a KV cache in FP8 is a step that the policy allows."""
        return self.policy.allows_fp8 and not self.wants_fp8_cache
