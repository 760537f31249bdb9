"""Tiny repositories that cannot be served, each for a reason of its own."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.hub_models import LLAMA_CONFIG, a_repository, as_json, llama_files, llama_shapes, safetensors_file
from tests.fakes.hub_store import Repository


def broken_repositories() -> list[Repository]:
    """One repository for each thing that can be wrong with a model that looks like one."""
    made = {
        "acme/unknown-architecture": _llama(architectures=["FooForCausalLM"], model_type="foo"),
        "acme/other-quantisation": _llama(quantization_config={"quant_method": "fbgemm_fp8"}),
        "acme/two-mixers": _llama(architectures=["FalconH1ForCausalLM"], model_type="falcon_h1"),
        "acme/other-weights": {**_llama(), "model.safetensors": _weights_of_more_heads()},
        "acme/no-json": {**_llama(), "config.json": b"{"},
    }
    found = [a_repository(name, files, pipeline_tag="text-generation") for name, files in made.items()]
    # Nobody has resolved this one before: what the Hub said a moment ago is not asked again.
    found.append(a_repository("acme/rarely-asked", llama_files(), pipeline_tag="text-generation"))
    return [*found, a_repository("acme/turns-bad", llama_files(), made["acme/unknown-architecture"])]


def _llama(**changes: Any) -> Mapping[str, bytes]:
    return {**llama_files(), "config.json": as_json({**LLAMA_CONFIG, **changes})}


def _weights_of_more_heads() -> bytes:
    shapes = {
        name: (dtype, (2 * shape[0], *shape[1:]) if name.endswith("k_proj.weight") else shape)
        for name, (dtype, shape) in llama_shapes().items()
    }
    return safetensors_file(shapes)
