"""Write what Transformers' own classes have: the oracle of the tests that synthesise tensors.

Run it with a Python that has transformers and torch: python scripts/class_counts.py TYPE ... For each
type of model it makes the class from its defaults, without memory for the weights, and writes the
configuration, the number of parameters, and the tensors of the first layers by name.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TARGET = Path(__file__).parents[1] / "tests/unit/sizing/transformers_counts.json"
NOISE = re.compile(
    r"token_id|token_index|dropout|drop$|_eps|epsilon|initializer|id2label|label2id|return_dict|output_|_coef|pruned|torchscript"
    r"|problem_type|chunk_size_feed|transformers_version|^_name|bad_words|length|beam|top_[kp]|temperature|prefix|finetuning"
)


def main() -> None:
    """Make, count and write."""
    parser = argparse.ArgumentParser(description="Write the parameters of Transformers' own classes.")
    parser.add_argument("types", nargs="+", metavar="TYPE")
    found = {name: _count(name) for name in sorted(parser.parse_args().types)}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry, default=str)}" for name, entry in found.items())
    TARGET.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _count(name: str) -> dict[str, Any]:
    config = CONFIG_MAPPING[name]()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    parameters = {id(tensor): (key, list(tensor.shape)) for key, tensor in model.named_parameters()}
    declared = json.loads(json.dumps(config.to_dict(), default=str))
    kept = {key: value for key, value in declared.items() if value is not None and not NOISE.search(key)}
    kept |= {"architectures": [type(model).__name__], "model_type": name, "dtype": "bfloat16"}
    return {
        "config": kept,
        "parameters": sum(tensor.numel() for tensor in model.parameters()),
        "tensors": _by_pattern(list(parameters.values())),
    }


def _by_pattern(tensors: list[tuple[str, list[int]]]) -> list[list[Any]]:
    """Return name, shape and layers of the tensors, those that differ in the layer only made one."""
    found: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for name, shape in tensors:
        match = re.search(r"(?<=\.)\d+(?=\.)", name)
        pattern = name if match is None else f"{name[: match.start()]}#{name[match.end() :]}"
        found.setdefault((pattern, tuple(shape)), []).append(int(match[0]) if match else -1)
    return [[pattern, list(shape), layers] for (pattern, shape), layers in found.items()]


if __name__ == "__main__":
    main()
