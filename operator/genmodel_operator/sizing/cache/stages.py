"""Pipeline stages: which layers each has, the layers split as the engine splits them."""

from genmodel_operator.sizing.shape.model import Unsizable


def stage_layers(layers: int, stages: int, draft_layers: int = 0) -> tuple[range, ...]:
    """Return the layers of each stage: evenly, what is left over to the stages before the last.

    Drafting layers, numbered behind the model's own, are on the last stage. Raises ``Unsizable``
    with more stages than layers.
    """
    if not 1 <= stages <= max(1, layers):
        raise Unsizable("InvalidRequest", f"pipeline_parallel_size: {stages} stages for {layers} layers")
    counts = [layers // stages] * stages
    for place in range(2, layers % stages + 2):
        counts[-place] += 1
    counts[-1] += draft_layers
    starts = [sum(counts[:stage]) for stage in range(stages)]
    return tuple(range(start, start + count) for start, count in zip(starts, counts, strict=True))
