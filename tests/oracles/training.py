"""Trains nothing: what the demo's training does with a model that has learned nothing, and with one that has.

``python training.py TRAINED SOURCES`` takes the folder of the trained model and that of the training's code.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

TRAINED, SOURCES = map(Path, sys.argv[1:])


def main() -> None:
    spec = importlib.util.spec_from_file_location("demo_training", SOURCES / "training.py")
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    sys.modules["demo_training"] = training
    spec.loader.exec_module(training)
    print(json.dumps({"never": attempts(training, learns_at=99), "second": attempts(training, learns_at=2)}))


def attempts(training: Any, *, learns_at: int) -> dict[str, Any]:
    """Return the seeds that were tried, what was said at the end, and what was written."""
    seeds: list[int] = []

    def train(model: LlamaForCausalLM, tokenizer: object, fables: object, *, seed: int) -> None:
        seeds.append(seed)
        if len(seeds) == learns_at:
            learned = LlamaForCausalLM.from_pretrained(TRAINED, dtype=torch.float32)
            model.load_state_dict(learned.state_dict())

    out, said = Path(f"out-{learns_at}"), ""
    try:
        training.main(out, train=train)
    except SystemExit as error:
        said = str(error)
    return {"seeds": seeds, "said": said, "written": sorted(path.name for path in out.glob("*"))}


main()
