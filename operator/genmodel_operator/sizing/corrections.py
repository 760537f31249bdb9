"""What running servers measured, in place of what was estimated. Pure.

A figure is used where nothing that it physically depends on differs: the commit, the engine's
release, its image and options, the device, the split over devices and the number format decide on
the weights; the batch limits decide on everything else too. Anything else stays an estimate.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from genmodel_operator.sizing.memory import GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is served, and by what.

    Attributes:
        commit: Hub commit of the weights.
        engine_version: release of the engine, see ``plain_version``.
        image: the engine's image.
        options: digest of what else a user passed on to the engine; empty: nothing.

    """

    commit: str
    engine_version: str
    image: str
    options: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How it is served: all of the plan that the figures depend on.

    Attributes:
        product: product label of the devices, or ``CPU``.
        dtype: the engine's ``--dtype``.
        quantization, kv_cache_dtype: its flags of these names; empty: not given.
        max_num_seqs, max_num_batched_tokens: its batch limits.

    """

    product: str
    tensor_parallel: int
    pipeline_parallel: int
    dtype: str
    max_num_seqs: int
    max_num_batched_tokens: int
    quantization: str = ""
    kv_cache_dtype: str = ""

    def loads_like(self, other: "Placement") -> bool:
        """Whether the weights take the same memory on each device: only the batch limits may differ."""
        seqs, tokens = self.max_num_seqs, self.max_num_batched_tokens
        return replace(other, max_num_seqs=seqs, max_num_batched_tokens=tokens) == self


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a server measured, per device; None: it did not tell.

    ``kv_tokens`` are those that ``kv_cache_bytes`` hold at ``max_model_len`` tokens per request.
    """

    weights_gib: float | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    cuda_graph_gib: float | None = None
    kv_tokens: int | None = None
    kv_cache_bytes: int | None = None
    max_model_len: int | None = None

    @property
    def are_any(self) -> bool:
        """Whether anything is known."""
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The figures of one kind of server; ``measured_at`` is RFC 3339."""

    origin: Origin
    placement: Placement
    figures: Figures
    measured_at: str


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of a candidate from servers like it; ``measured_at`` is empty where nothing is."""

    figures: Figures = Figures()
    measured_at: str = ""
    engine_version: str = ""

    def cache_scale(self, estimated_tokens: Callable[[int, int], int]) -> float:
        """Return how many times the estimated cache a token really takes; 1 where it was not measured.

        ``estimated_tokens`` gives the tokens of so many bytes at a length. Bytes per token are alike at
        every length but for hybrid models, whose error is taken to be alike.
        """
        figures = self.figures
        if figures.kv_tokens is None or figures.kv_cache_bytes is None or figures.max_model_len is None:
            return 1.0
        return estimated_tokens(figures.kv_cache_bytes, figures.max_model_len) / figures.kv_tokens


NOTHING = Learnt()


@dataclass(frozen=True, slots=True)
class Corrections:
    """Measurements of one origin, to be found by how a candidate would serve it."""

    measurements: tuple[Measurement, ...] = ()

    def find(self, placement: Placement) -> Learnt:
        """Return what is known of this candidate; the weights also from one with other batch limits."""
        alike = [found for found in self.measurements if found.placement.loads_like(placement)]
        if not alike:
            return NOTHING
        exact = next((found for found in alike if found.placement == placement), None)
        loaded = max(
            (found for found in alike if found.figures.weights_gib is not None),
            key=lambda found: found.measured_at,
            default=None,
        )
        used = [found for found in (exact, loaded) if found is not None]
        if not used:
            return NOTHING
        figures = replace(
            exact.figures if exact else Figures(), weights_gib=loaded.figures.weights_gib if loaded else None
        )
        newest = max(used, key=lambda found: found.measured_at)
        return Learnt(figures, newest.measured_at, newest.origin.engine_version)


NONE = Corrections()


def corrections_for(
    measurements: Iterable[Measurement], *, commit: str, engine_version: str, images: frozenset[str], options: str
) -> Corrections:
    """Return what may be used for a model: of the same commit, release and options, with an image of these."""
    return Corrections(
        tuple(
            found
            for found in measurements
            if found.origin.image in images
            and found.origin
            == Origin(
                commit=commit,
                engine_version=plain_version(engine_version),
                image=found.origin.image,
                options=options,
            )
        )
    )


def plain_version(text: str) -> str:
    """Return a release without what names a build of it: ``v0.32.0+cpu`` is ``0.32.0``."""
    return text.strip().removeprefix("v").partition("+")[0]


def corrected(measured_gib: float | None, estimated_bytes: int) -> int:
    """Return what was measured, in whole bytes, else the estimate."""
    return estimated_bytes if measured_gib is None else max(0, math.ceil(measured_gib * GIB))


_NAMES = (
    ("weights_gib", "weights"),
    ("activation_gib", "activation"),
    ("non_torch_gib", "memory outside torch"),
    ("cuda_graph_gib", "CUDA graphs"),
)
KV_CACHE = "KV cache"


def measured_names(learnt: Learnt) -> tuple[str, ...]:
    """Return the names of the figures that are not estimated."""
    named = tuple(name for field, name in _NAMES if getattr(learnt.figures, field) is not None)
    return (*named, KV_CACHE) if learnt.figures.kv_tokens is not None else named


def words(learnt: Learnt) -> str:
    """Return a sentence that says what was measured, when and with what; empty where nothing was."""
    figures = learnt.figures
    told = [f"{name} {value:.2f} GiB" for field, name in _NAMES if (value := getattr(figures, field)) is not None]
    if figures.kv_tokens is not None and figures.kv_cache_bytes is not None:
        told.append(f"{figures.kv_tokens} tokens in {figures.kv_cache_bytes / GIB:.2f} GiB of KV cache")
    if not told:
        return ""
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return f"{listed[0].upper()}{listed[1:]} as measured on {learnt.measured_at[:10]} with {learnt.engine_version}."
