"""One request, one answer: every figure of a server's start, and whether it comes up. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from genmodel_operator.sizing.budget.release import parse_release
from genmodel_operator.sizing.estimate.notes import notes_on_figures, notes_on_request
from genmodel_operator.sizing.estimate.request import EstimateRequest, parse_request
from genmodel_operator.sizing.estimate.result import Estimate, EstimateError
from genmodel_operator.sizing.estimate.server import Asked, resolve, shape_of
from genmodel_operator.sizing.estimate.verdict import Wanted, judge, refusal
from genmodel_operator.sizing.server import SizedModel
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.tensors.agreement import check_agreement
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import DeviceWeights, InvalidLayout


def estimate(document: Mapping[str, Any]) -> Estimate | EstimateError:
    """Return the answer to one request. Whatever it holds, nothing is raised."""
    try:
        return estimate_request(parse_request(document))
    except Unsizable as refused:
        identifier = document.get("id")
        return EstimateError(identifier if isinstance(identifier, str) else None, refused.reason, refused.message)


def estimate_request(request: EstimateRequest) -> Estimate:
    """Return the figures of a request; raises ``Unsizable`` where they cannot be given."""
    # The release first: it is refused whatever the model is.
    parse_release(request.vllm_version)
    model = SizedModel(shape_of(request), request.tensors, request.parameters)
    check_agreement(model.shape, request.tensors or ())
    asked = resolve(request, model.shape)
    server = asked.server
    invalid = why_invalid_layout(model.shape, server.layout)
    if invalid is not None:
        return _without_figures(asked, invalid)
    weights, problems = _weigh(asked, model)
    stages = [0] * server.layout.pipeline_parallel if weights is None else [s.total_bytes for s in weights.stages]
    budget, cache = model.budget(server, stages), model.cache(server)
    memory = tuple(stage.kv_cache for stage in budget.stages)
    verdict = judge(
        budget,
        cache,
        Wanted(
            max_model_len=asked.max_model_len,
            max_num_seqs=server.batch.max_num_seqs,
            memory_utilization=server.memory_utilization,
            captures_graphs=not server.enforce_eager,
        ),
    )
    concurrency = cache.max_concurrency(memory, asked.max_model_len)
    finite = concurrency if math.isfinite(concurrency) else None
    return Estimate(
        id=request.id,
        weights_bytes=None if weights is None else budget.weights,
        activation_bytes=None if weights is None else budget.activation,
        non_torch_bytes=budget.non_torch,
        graph_bytes=budget.graphs,
        kv_cache_bytes=budget.kv_cache,
        kv_tokens=cache.kv_tokens(memory, asked.max_model_len),
        max_concurrency=finite,
        verdict=verdict,
        warnings=(
            *notes_on_request(asked),
            *problems,
            *(() if finite is not None else ("nothing is cached per request: max_concurrency has no bound",)),
            *notes_on_figures(asked, budget, finite, starts=verdict.starts),
        ),
    )


def _weigh(asked: Asked, model: SizedModel) -> tuple[DeviceWeights | None, tuple[str, ...]]:
    """Return the weights with what was assumed for them; None where they cannot be computed and need not be."""
    try:
        weights = model.weights(asked.server)
    except Unsizable as refused:
        if asked.server.kv_cache_memory_bytes is None:
            raise
        return None, (f"weights and activation cannot be computed: {refused.message}",)
    return weights, weights.warnings


def _without_figures(asked: Asked, invalid: InvalidLayout) -> Estimate:
    return Estimate(
        id=asked.request.id,
        weights_bytes=None,
        activation_bytes=None,
        non_torch_bytes=None,
        graph_bytes=None,
        kv_cache_bytes=None,
        kv_tokens=None,
        max_concurrency=None,
        verdict=refusal(invalid.reason, invalid.message),
        warnings=tuple(notes_on_request(asked)),
    )
