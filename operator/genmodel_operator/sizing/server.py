"""One server of the engine and every figure of its memory: the one place where the parts are put together.

What an estimate answers and what a plan promises are both computed here, so that the same settings
always have the same figures.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.budget.activation import activation_bytes
from genmodel_operator.sizing.budget.budget import Budget, compute_budget
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.device import Device
from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.budget.settings import BudgetSettings
from genmodel_operator.sizing.cache.build import cache_layout
from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.cache.settings import CacheSettings, Platform
from genmodel_operator.sizing.shape.model import ModelShape
from genmodel_operator.sizing.shape.read import served_dtype
from genmodel_operator.sizing.tensors.agreement import check_agreement
from genmodel_operator.sizing.tensors.model import DeviceWeights, Layout
from genmodel_operator.sizing.tensors.scheme import WIDTH
from genmodel_operator.sizing.tensors.table import WeightTable
from genmodel_operator.sizing.tensors.weights import read_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is asked of the engine, every default filled in.

    Attributes:
        dtype: the type the model is served in: bfloat16, float16 or float32.
        quantization: ``--quantization``; None: as the files are.
        kv_cache_dtype: ``--kv-cache-dtype``; None: as the engine decides.
        kv_cache_memory_bytes: ``--kv-cache-memory-bytes``; None: what the share of the device leaves.
        pools: the model embeds, so that nothing is sampled, whatever its architecture is for.

    """

    release: Release
    device: Device
    dtype: str
    layout: Layout
    batch: Batch
    memory_utilization: float
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    kv_cache_memory_bytes: int | None = None
    block_size: int | None = None
    enforce_eager: bool = False
    prefix_caching: bool | None = None
    num_speculative_tokens: int = 0
    platform: Platform = Platform.CUDA
    pools: bool = False

    @property
    def element_bytes(self) -> int:
        """Bytes of an element of the served type."""
        return 4 if self.dtype == "float32" else 2

    @property
    def budget_settings(self) -> BudgetSettings:
        """What the budget depends on."""
        return BudgetSettings(
            release=self.release,
            device=self.device,
            layout=self.layout,
            batch=self.batch,
            element_bytes=self.element_bytes,
            memory_utilization=self.memory_utilization,
            kv_cache_memory_bytes=self.kv_cache_memory_bytes,
            enforce_eager=self.enforce_eager,
            pools=self.pools,
        )

    @property
    def cache_settings(self) -> CacheSettings:
        """What the layout of the cache depends on."""
        return CacheSettings(
            release=self.release,
            dtype=self.dtype,
            kv_cache_dtype=self.kv_cache_dtype,
            tensor_parallel=self.layout.tensor_parallel,
            pipeline_parallel=self.layout.pipeline_parallel,
            block_size=self.block_size,
            max_num_batched_tokens=self.batch.max_num_batched_tokens,
            num_speculative_tokens=self.num_speculative_tokens,
            prefix_caching=self.prefix_caching,
            platform=self.platform,
            compute_capability=self.device.compute_capability,
        )


class SizedModel:
    """A model, with everything that is computed of it remembered: its tensors are read once."""

    def __init__(
        self,
        shape: ModelShape,
        tensors: Sequence[Tensor] | None = None,
        parameters: Mapping[str, int] | None = None,
    ) -> None:
        """Take the shape, the tensors of the files and the Hub's count of parameters, as far as they are known."""
        self.shape = shape
        self._tensors = tensors
        self._parameters = parameters
        self._known: dict[Hashable, Any] = {}
        self._is_checked = False

    def weights(self, server: Server) -> DeviceWeights:
        """Return what the weights take; raises ``Unsizable``."""
        return self._table(server).on_device(server.layout)

    def cache(self, server: Server) -> CacheLayout:
        """Return how the engine lays the cache out; raises ``Unsizable``."""
        settings = server.cache_settings
        found: CacheLayout | None = self._known.get(settings)
        if found is None:
            found = self._known[settings] = cache_layout(self.shape, settings)
        return found

    def budget(self, server: Server, weights: Sequence[int]) -> Budget:
        """Return the budget of a server with weights of so many bytes on each pipeline stage."""
        settings = server.budget_settings
        key = (server.release, server.layout, server.batch, server.element_bytes, server.pools)
        activation: tuple[int, ...] | None = self._known.get(key)
        if activation is None:
            stages = range(server.layout.pipeline_parallel)
            activation = tuple(activation_bytes(self.shape, settings, stage=stage) for stage in stages)
            self._known[key] = activation
        return compute_budget(self.shape, settings, weights=weights, activation=activation)

    def check(self, release: Release) -> None:
        """Raise ``Unsizable`` where the files are of another model, or cannot be sized whatever they are served on."""
        if self._is_checked:
            return
        check_agreement(self.shape, self._tensors or ())
        self._read(release, served_dtype(self.shape))
        self._is_checked = True

    def _table(self, server: Server) -> WeightTable:
        drafts, capability = server.num_speculative_tokens > 0, server.device.compute_capability
        return self._read(server.release, server.dtype, server.quantization, capability, with_draft=drafts)

    def _read(
        self,
        release: Release,
        dtype: str,
        quantization: str | None = None,
        capability: tuple[int, int] | None = None,
        *,
        with_draft: bool = False,
    ) -> WeightTable:
        # Only the kernels for experts in MXFP4 tell devices apart.
        is_packed = self.shape.quantization is not None and self.shape.quantization.method == "mxfp4"
        device = capability if is_packed else None
        key = (release, WIDTH[dtype], quantization, device, with_draft)
        found: WeightTable | None = self._known.get(key)
        if found is None:
            found = self._known[key] = read_weights(
                self.shape,
                self._tensors,
                parameters=self._parameters,
                dtype=dtype,
                quantization=quantization,
                with_draft=with_draft,
                engine=(release.major, release.minor),
                capability=device,
            )
        return found
